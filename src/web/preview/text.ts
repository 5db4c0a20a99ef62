/** Decodes the bytes of a file as text. */

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be'

export interface DecodedText {
  text: string
  encoding: Encoding
}

/** Decodes UTF-8, or UTF-16 if there is a byte order mark, as browsers do; PowerShell's `>`
 *  writes UTF-16. Returns undefined if the first `sniffedBytes` are not text: if they contain a
 *  NUL, many control characters, or bytes that are invalid in the encoding (a character cut off
 *  at the end is allowed). */
export function decodeText(
  bytes: Uint8Array,
  sniffedBytes: number = bytes.length,
): DecodedText | undefined {
  const encoding = encodingOf(bytes)
  if (!isText(bytes.subarray(0, sniffedBytes), encoding)) return undefined
  return { text: new TextDecoder(encoding).decode(bytes), encoding }
}

/** WHATWG Encoding §6, "BOM sniff". */
function encodingOf([first, second]: Uint8Array): Encoding {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

function isText(bytes: Uint8Array, encoding: Encoding): boolean {
  let text: string
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true })
  } catch {
    return false
  }
  let odd = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0) return false
    if (code < 0x09 || (code > 0x0d && code < 0x20 && code !== 0x1b)) odd++
  }
  return odd <= text.length / 50
}

/** Number of bytes of `text` in that encoding. */
export function encodedBytes(text: string, encoding: Encoding): number {
  return encoding === 'utf-8' ? Buffer.byteLength(text) : 2 * text.length
}
