/** Hex dump of a binary file in rows of sixteen bytes, and a guess at its type by its first
 *  bytes. */
import { asBuffer } from '../../core/bytes/as-buffer.ts'

export function hexDump(bytes: Uint8Array): string {
  const rows: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const part = [...bytes.subarray(at, at + 16)]
    const offset = at.toString(16).padStart(8, '0')
    const digits = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    const text = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
    rows.push(`${offset}  ${digits.padEnd(47)}  ${text.join('')}`)
  }
  return rows.join('\n')
}

const kinds: [number, string, string][] = [
  [0, '7f454c46', 'an ELF program or library (Linux)'],
  [0, '4d5a', 'a Windows program'],
  [0, 'cffaedfe', 'a Mach-O program (macOS)'],
  [0, 'cafebabe', 'a Java class or a universal Mach-O program'],
  [0, '0061736d', 'a WebAssembly module'],
  [0, '504b0304', 'a zip archive'],
  [0, '1f8b', 'gzip data'],
  [0, '28b52ffd', 'Zstandard data'],
  [0, 'fd377a585a00', 'xz data'],
  [0, '425a68', 'bzip2 data'],
  [0, '377abcaf271c', 'a 7-Zip archive'],
  [257, '7573746172', 'a tar archive'],
  [0, '53514c69746520666f726d6174203300', 'an SQLite database'],
  [0, '213c617263683e', 'a static library or Debian package'],
  [0, '89504e47', 'a PNG image'],
  [0, '25504446', 'a PDF document'],
  [0, '774f4632', 'a WOFF2 font'],
]

/** Returns the file type by its magic number; undefined if none matches. */
export function guessKind(bytes: Uint8Array): string | undefined {
  const hex = asBuffer(bytes).toString('hex', 0, 512)
  return kinds.find(([offset, magic]) => hex.startsWith(magic, offset * 2))?.[2]
}
