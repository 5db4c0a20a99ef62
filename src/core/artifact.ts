/** Artifacts: named outputs of a run. Naming rules and states. */
import { forbidden, storeError } from './errors.ts'
import { limits } from './limits.ts'

declare const nameBrand: unique symbol
/** An artifact name that every client can list, download and write as a directory. Made by
 *  `parseArtifactName`. */
export type ArtifactName = string & { readonly [nameBrand]: true }

/** `damaged`: some stored bytes are bad; the rest stays readable. `expired` and `deleted` are
 *  tombstones. */
export type ArtifactState = 'available' | 'damaged' | 'expired' | 'deleted'

/** How the bytes arrived, which decides the representations:
 *  `exact`: a zip that was taken apart and is reproduced byte for byte. `opaque`: a zip kept whole
 *  because it cannot be taken apart.
 *  `raw`: one file. `tree`: entries from a tar or the native client; its zip is generated. */
export type ArtifactKind = 'exact' | 'opaque' | 'raw' | 'tree'

/** Fields that all artifacts of kind `tree` have in common. */
export const treeOfFiles = {
  kind: 'tree',
  mimeType: 'application/zip',
  fileName: null,
  opaqueReason: null,
  zipDigest: null,
} as const

/** Returns why a name is rejected, or undefined when it is valid. The stock clients reject the
 *  characters of the first check themselves (GITHUB-PROTOCOL §7) but not the rest;
 *  download-artifact joins the name to a path, so `..` would escape its directory. */
export function artifactNameFault(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (/["<>|*?\r\n\\/:]/.test(name)) return 'it contains one of " : < > | * ? \\ / or a line break'
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is rejected.
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'it contains a control character'
  if (name === '.' || name === '..') return 'it is "." or ".."'
  if (name.trim() !== name) return 'it begins or ends with whitespace'
  if (!name.isWellFormed()) return 'it is not valid Unicode'
  if (Buffer.byteLength(name) > limits.artifactNameBytesMax) {
    return `it is longer than ${limits.artifactNameBytesMax} bytes`
  }
  return undefined
}

/** The error when a job tries to replace or delete another job's artifact in a strict project. */
export function heldByOtherJob({ id, job }: { id: number; job: string }): Error {
  return forbidden(
    `artifact ${id} was made by job ${job}, and this project is strict: only that job or a person may replace or delete it`,
  )
}

/** The error when an upload, or a job, tries to take away an artifact that somebody keeps.
 *  `override` is what lets the caller do it nevertheless. */
export function heldAsKept({ id }: { id: number }, override?: string): Error {
  const release = `\`trove keep --release id:${id}\``
  const reason =
    override === undefined
      ? `artifact ${id} is kept: it must be released before an upload replaces it or a job deletes it (${release})`
      : `artifact ${id} is kept: release it (${release}), or delete it too with ${override}`
  return forbidden(reason)
}

/** An upload that asks for a name. */
export interface Wish {
  name: string
  job: string
  onConflict: 'reject' | 'same' | 'replace' | 'replace-own'
}

/** Errors: name_taken, forbidden; none when the upload may replace the holder. A replaced artifact
 *  cannot be restored, so one that is kept is never replaced. */
export function refuseReplacement(
  { name, job, onConflict }: Wish,
  holder: { id: number; job: string; pinned: boolean },
): void {
  if (onConflict === 'reject' || onConflict === 'same') throw nameTaken(name, holder.id)
  if (onConflict === 'replace-own' && holder.job !== job) throw heldByOtherJob(holder)
  if (holder.pinned) throw heldAsKept(holder)
}

/** The error for a name held by an artifact or, with null, by an upload in progress. */
export function nameTaken(name: string, artifactId: number | null): Error {
  const holder = artifactId === null ? 'an upload in progress' : `artifact ${artifactId}`
  return storeError('name_taken', `the name ${JSON.stringify(name)} is held by ${holder}`, {
    name,
    artifactId,
  })
}

/** Errors: invalid_name. */
export function parseArtifactName(name: string): ArtifactName {
  const fault = artifactNameFault(name)
  if (fault !== undefined) {
    throw storeError('invalid_name', `invalid artifact name ${JSON.stringify(name)}: ${fault}`, {
      name,
      reason: fault,
    })
  }
  return name as ArtifactName
}
