import { expect, test } from 'vitest'
import { servedMediaType } from '../../src/core/media-type.ts'

test('a declared media type is served as it is', () => {
  for (const type of ['text/plain', 'text/plain; charset="utf-8"', 'zip'])
    expect(servedMediaType(type)).toBe(type)
})

test('what no header can carry, and what is absent, is served as plain bytes', () => {
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
