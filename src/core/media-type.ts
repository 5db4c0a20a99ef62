/** Media types that uploaders declare. */
import { limits } from './limits.ts'

export const bytesMediaType = 'application/octet-stream'

/** What may stand in a header of an answer: the declared type, or that of plain bytes in place of one that is absent or
 *  that no client means, such as one with a control character, which no answer can carry. */
export function servedMediaType(declared: string | null): string {
  const isPlain =
    declared !== null &&
    declared.length <= limits.mediaTypeCharactersMax &&
    /^[!-~](?:[ -~]*[!-~])?$/.test(declared)
  return isPlain ? declared : bytesMediaType
}
