/** Which bytes are shown as text, and in which encoding. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { decodeText, encodedBytes } from '../../src/web/preview/text.ts'
import { pseudoRandom } from '../client/tree.ts'

const log = 'Größe: 5 µm, geprüft\r\n'.repeat(100)

test('what Windows writes in its own code page is text', () => {
  const bytes = Buffer.from(log, 'latin1')
  expect(decodeText(bytes)).toEqual({ text: log, encoding: 'windows-1252' })
  expect(encodedBytes(log, 'windows-1252')).toBe(bytes.length)
  // “€”, which ISO 8859-1 does not have.
  expect(decodeText(Buffer.from([0x93, 0x80, 0x94]))?.text).toBe('“€”')
})

test('a few invalid bytes do not make other text of UTF-8', () => {
  const bytes = Buffer.concat([Buffer.from(log), Buffer.of(0xff), Buffer.from(log)])
  expect(decodeText(bytes)).toEqual({ text: `${log}\ufffd${log}`, encoding: 'utf-8' })
  const cut = Buffer.from('1 €')
  for (let length = 0; length < cut.length; length++)
    expect(decodeText(cut.subarray(0, length))?.encoding).toBe('utf-8')
})

test('compressed and other binary data is not text', () => {
  expect(decodeText(gzipSync(pseudoRandom(5000, 'data')))).toBeUndefined()
  expect(decodeText(pseudoRandom(300, 'short'))).toBeUndefined()
  expect(decodeText(Buffer.from('a\0b'))).toBeUndefined()
})
