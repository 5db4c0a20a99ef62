/** Media types that uploaders declare. */
import { limits } from './limits.ts'

export const bytesMediaType = 'application/octet-stream'

/** Whether that is how senders call a zip; the shortest is the library's before 6.2 (GITHUB-PROTOCOL §8.3). */
export function isZipType(declared: string): boolean {
  return /^(?:application\/(?:x-)?zip(?:-compressed)?|zip) *(?:;|$)/i.test(declared)
}

/** What may stand in a header of an answer: the declared type, or that of plain bytes in place of one that is absent or
 *  that no client means, such as one with a control character, which no answer can carry. */
export function servedMediaType(declared: string | null): string {
  const isPlain =
    declared !== null &&
    declared.length <= limits.mediaTypeCharactersMax &&
    /^[!-~](?:[ -~]*[!-~])?$/.test(declared)
  return isPlain ? declared : bytesMediaType
}
