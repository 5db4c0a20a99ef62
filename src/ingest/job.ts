/** An upload, independent of the protocol that it came by. Structured-cloneable, because the work
 *  runs in worker threads. */
import type { ArtifactName } from '../core/artifact.ts'
import type { Actor } from '../core/audit.ts'
import type { Digest } from '../core/bytes/digest.ts'
import type { Replacement } from '../metadata/metadata.ts'

/** Bytes on disk, to be read as one sequence. */
export interface StagedBytes {
  /** Absolute path of a directory whose files have the names that `ordinalFile` gives. */
  directory: string
}

/** `zip`: taken apart and reproduced exactly, or kept whole when that is impossible. `auto`: a
 *  stock upload; a zip if its type or its first bytes say so, otherwise one raw file. `tar`,
 *  `tar.gz`: entries. `file`: one raw file. */
export type UploadForm = 'zip' | 'auto' | 'tar' | 'tar.gz' | 'file'

export interface IngestJob {
  form: UploadForm
  projectId: number
  runId: number
  job: string
  name: ArtifactName
  /** As declared by the sender; null when it declared none. */
  mimeType: string | null
  /** Name of the single file of a `file` upload, or of an `auto` upload that turns out to be
   *  one. */
  fileName: string
  createdAt: number
  expiresAt: number
  onConflict: 'reject' | Replacement | 'same'
  /** Who uploads. */
  by?: Actor
  /** The stock upload that this job finishes. */
  uploadId: string | null
  /** What the sender announced; checked before anything becomes visible.
   *  Errors: length_mismatch, digest_mismatch. */
  expected: { sizeBytes: number; digest: Digest | null } | null
  /** Bytes on disk; null when the body is streamed to the job (tar, tar.gz and file only). */
  staged: StagedBytes | null
}
