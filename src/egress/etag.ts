/** The ETags of representations. Each follows from the facts that determine the bytes, so it is
 *  known before anything is read. */
import { digestOf } from '../core/bytes/digest.ts'
import type { Artifact, StoredFile } from '../metadata/metadata.ts'
import { gzipFormatVersion } from './file-layout.ts'

export function etag(form: string, ...facts: unknown[]): string {
  const name = digestOf(JSON.stringify([form, ...facts]))
  return `"${form}-${name.slice(0, 40)}"`
}

/** The facts that determine the bytes of an artifact's generated forms: the tree, the modification
 *  times (fixed with the artifact's identity), and the chosen copies (changing one raises the
 *  version). */
export function artifactFacts(artifact: Artifact): (string | number)[] {
  return [artifact.id, artifact.createdAt, artifact.treeDigest, artifact.version]
}

/** Of the gzip form of a file, which depends on the chosen copies. */
export function gzipEtag({ version }: Artifact, { digest, blob }: StoredFile): string {
  const stored = [gzipFormatVersion, version, blob.copy?.streamId ?? null, blob.joinedBytes]
  return `"${digest}-gzip-${digestOf(JSON.stringify(stored)).slice(0, 16)}"`
}
