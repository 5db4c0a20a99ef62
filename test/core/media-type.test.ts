import { expect, test } from 'vitest'
import { isZipType, servedMediaType } from '../../src/core/media-type.ts'

test('a declared media type is served unchanged', () => {
  for (const type of ['text/plain', 'text/plain; charset="utf-8"', 'zip'])
    expect(servedMediaType(type)).toBe(type)
})

test('a media type that is absent, or that no header can carry, is served as plain bytes', () => {
  const odd = [
    '',
    ' ',
    'text/plain\u0001',
    'a\r\nb: c',
    'text/\u00e4',
    'text/\u4e2d',
    'a'.repeat(600),
  ]
  for (const type of [null, ...odd])
    expect([type, servedMediaType(type)]).toEqual([type, 'application/octet-stream'])
})

test('a zip type is recognized by each of its names, whatever follows', () => {
  for (const type of ['zip', 'application/zip', 'Application/X-Zip-Compressed; charset=binary'])
    expect([type, isZipType(type)]).toEqual([type, true])
  for (const type of ['', 'application/gzip', 'application/zip+json', 'text/zip'])
    expect([type, isZipType(type)]).toEqual([type, false])
})
