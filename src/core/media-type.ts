/** Media types that uploaders declare. */
import { limits } from './limits.ts'

export const bytesMediaType = 'application/octet-stream'

/** Reports whether a declared type is one that senders use for zips. The bare `zip` comes from the
 *  library before 6.2 (GITHUB-PROTOCOL §8.3). */
export function isZipType(declared: string): boolean {
  return /^(?:application\/(?:x-)?zip(?:-compressed)?|zip) *(?:;|$)/i.test(declared)
}

/** The media type to serve: the declared one, or that of plain bytes when it is absent or
 *  malformed, such as one with a control character, which no response header can carry. */
export function servedMediaType(declared: string | null): string {
  const isPlain =
    declared !== null &&
    declared.length <= limits.mediaTypeCharactersMax &&
    /^[!-~](?:[ -~]*[!-~])?$/.test(declared)
  return isPlain ? declared : bytesMediaType
}
