/** Decodes the bytes of a file as text. */

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252'

export interface DecodedText {
  text: string
  encoding: Encoding
}

/** Decodes UTF-8, or UTF-16 if there is a byte order mark, as browsers do; PowerShell's `>`
 *  writes UTF-16. What is mostly not UTF-8 is decoded as Windows-1252, in which older programs on
 *  Windows write, and of which ISO 8859-1 is a part. Returns undefined if the first `sniffedBytes`
 *  are not text: if they contain a NUL, or many characters that are invalid or controls (one that
 *  is cut off at the end is allowed). */
export function decodeText(
  bytes: Uint8Array,
  sniffedBytes: number = bytes.length,
): DecodedText | undefined {
  const sniffed = bytes.subarray(0, sniffedBytes)
  const encoding = encodingOf(sniffed)
  if (!isText(decode(sniffed, encoding, true))) return undefined
  return { text: decode(bytes, encoding), encoding }
}

const replacement = '\ufffd'

/** What Windows-1252 has in place of the controls 0x80 to 0x9f of ISO 8859-1, five of which it does
 *  not define. */
const inPlaceOfControls = '€\ufffd‚ƒ„…†‡ˆ‰Š‹Œ\ufffdŽ\ufffd\ufffd‘’“”•–—˜™š›œ\ufffdžŸ'

/** A character that is cut off at the end is left out if more is `toCome`. */
function decode(bytes: Uint8Array, encoding: Encoding, toCome = false): string {
  if (encoding !== 'windows-1252')
    return new TextDecoder(encoding).decode(bytes, { stream: toCome })
  // Node 20's TextDecoder takes the encoding for ISO 8859-1.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  return text.replaceAll(/[\u0080-\u009f]/g, (at) => inPlaceOfControls[at.charCodeAt(0) - 0x80]!)
}

/** WHATWG Encoding §6, "BOM sniff". Without a mark, programs that write one invalid character
 *  write more valid ones, unless they do not write UTF-8. */
function encodingOf(bytes: Uint8Array): Encoding {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  const text = decode(bytes, 'utf-8', true)
  // Of large texts, nearly all are valid, which takes no loop over characters.
  if (!text.includes(replacement)) return 'utf-8'
  let valid = 0
  let invalid = 0
  for (const character of text) {
    if (character === replacement) invalid += 1
    else if (character > '\u007f') valid += 1
  }
  return invalid > valid ? 'windows-1252' : 'utf-8'
}

function isText(text: string): boolean {
  let odd = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0) return false
    const isControl = code < 0x09 || (code > 0x0d && code < 0x20 && code !== 0x1b)
    if (isControl || text[at] === replacement) odd++
  }
  return odd <= text.length / 50
}

/** Number of bytes of `text` in that encoding. */
export function encodedBytes(text: string, encoding: Encoding): number {
  if (encoding === 'utf-8') return Buffer.byteLength(text)
  return encoding === 'windows-1252' ? text.length : 2 * text.length
}
