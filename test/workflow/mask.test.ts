import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createMasker } from '../../src/workflow/step/mask.ts'

/** Texts that are likely to contain the secret, also in overlapping pieces. */
const secretAndText = fc
  .string({ minLength: 1, maxLength: 12 })
  .filter((secret) => secret.trim() !== '')
  .chain((secret) =>
    fc.record({
      secret: fc.constant(secret),
      parts: fc.array(
        fc.oneof(fc.constant(secret), fc.constant(secret.slice(1)), fc.string({ maxLength: 5 })),
        { maxLength: 12 },
      ),
    }),
  )

test('masked text never contains the secret, wherever it occurs', () => {
  fc.assert(
    fc.property(secretAndText, ({ secret, parts }) => {
      // A secret of asterisks equals the replacement.
      fc.pre(!/^\*+$/.test(secret))
      const text = parts.join('')
      const masked = createMasker([secret]).mask(text)
      for (const piece of masked.split('***')) expect(piece).not.toContain(secret)
    }),
  )
})

test('pieces of a text hide what the whole text hides, and are cut wherever no secret is in the way', () => {
  fc.assert(
    fc.property(secretAndText, fc.integer({ min: 1, max: 30 }), ({ secret, parts }, limit) => {
      fc.pre(!/[*\ud800-\udfff]/.test(secret))
      const text = parts.join('')
      const masker = createMasker([secret])
      const pieces: string[] = []
      let rest = text
      for (;;) {
        const taken = masker.takePiece(rest, limit)
        if (taken === undefined) break
        pieces.push(taken.piece)
        ;({ rest } = taken)
      }
      expect(Math.max(0, ...pieces.map(({ length }) => length))).toBeLessThanOrEqual(
        Math.max(limit, 3),
      )
      expect(rest.length).toBeLessThan(18 * secret.length)
      const shown = [...pieces, rest].map(masker.mask).join('').replaceAll(/\*+/g, '*')
      expect(shown).toBe(masker.mask(text).replaceAll(/\*+/g, '*'))
    }),
  )
})

test('overlapping secrets are masked together', () => {
  const masker = createMasker(['abcd', 'cdef'])
  expect(masker.mask('xabcdefx')).toBe('x***x')
})

test('each line of a multi-line secret is masked, except lines too short to be distinctive', () => {
  const masker = createMasker(['-----BEGIN KEY-----\nc2VjcmV0\n}\n-----END KEY-----'])
  expect(masker.mask('c2VjcmV0 and -----END KEY----- and }')).toBe('*** and *** and }')
})

test('common encodings of a secret are masked', () => {
  const secret = 'p&ss "word" ü/+'
  const masker = createMasker([secret])
  const forms = [
    JSON.stringify(secret),
    encodeURIComponent(secret),
    ...['', 'u', 'us', 'user:'].map((prefix) =>
      Buffer.from(`${prefix}${secret}`).toString('base64'),
    ),
  ]
  for (const form of forms) expect(masker.mask(form)).toContain('***')
})

test('a secret with quotes and brackets is masked as URLs, XML, expressions, arguments and shells write it', () => {
  const secret = `it's "so" (new)* & <old>!`
  const masker = createMasker([secret])
  for (const form of [
    'it%27s%20%22so%22%20%28new%29%2A%20%26%20%3Cold%3E%21',
    'it%27s+%22so%22+%28new%29%2A+%26+%3Cold%3E%21',
    encodeURIComponent(secret),
    'it&apos;s &quot;so&quot; (new)* &amp; &lt;old&gt;!',
    `it's "so" (new)* &amp; &lt;old&gt;!`,
    `it''s "so" (new)* & <old>!`,
    `it's \\"so\\" (new)* & <old>!`,
    `it'\\''s "so" (new)* & <old>!`,
  ]) {
    expect(masker.mask(`<${form}>`)).toBe('<***>')
  }
})

test('a secret is masked in paths and URLs, in URL-safe or wrapped base64, and in JSON within JSON', () => {
  const secret = `s3cr3t/To"ken+val&ue\u00fb\u00ff\u00fe`
  const masker = createMasker([secret])
  const base64 = Buffer.from(secret).toString('base64')
  for (const form of [
    encodeURI(secret),
    's3cr3t/To%22ken%2Bval%26ue%C3%BB%C3%BF%C3%BE',
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    base64.replaceAll('+', '-').replaceAll('/', '_'),
  ]) {
    expect(masker.mask(`<${form}>`)).toMatch(/^<\*\*\*.?=*>$/)
  }
  const key = Array.from({ length: 10 }, (_, i) => `line ${i} ${'x'.repeat(50)}`).join('\n')
  const keyMasker = createMasker([key])
  for (const width of [64, 76]) {
    // The last line can be too short to be distinctive.
    const lines = Buffer.from(`${key}\n`)
      .toString('base64')
      .match(new RegExp(`.{${width}}`, 'g'))
    expect(lines?.map(keyMasker.mask)).toEqual(lines?.map(() => '***'))
    expect(lines?.length).toBeGreaterThan(8)
  }
})

test('a secret is masked in hex, in one line or wrapped', () => {
  const secret = 's3cr3t-token'
  const masker = createMasker([secret])
  const hex = Buffer.from(`user:${secret}\n`).toString('hex')
  expect(masker.mask(hex)).toBe('757365723a***0a')
  expect(masker.mask(hex.toUpperCase())).toBe('757365723A***0A')
  const long = createMasker(['key '.repeat(20)])
  const lines =
    Buffer.from('key '.repeat(20))
      .toString('hex')
      .match(/.{1,60}/g) ?? []
  expect(lines.map(long.mask)).toEqual(['***', '***', '***'])
})

test('base64 of a secret alone is masked completely, however short the secret is', () => {
  for (const secret of ['pass', 's3cr3t-token-1', 's3cr3t-token-12']) {
    const base64 = Buffer.from(secret).toString('base64')
    expect(createMasker([secret]).mask(`<${base64}>`)).toBe('<***>')
  }
})

test('a quoted secret is masked without its quotes, one with & in the pieces that PowerShell shows', () => {
  expect(createMasker(['"quoted-secret"']).mask('quoted-secret')).toBe('***')
  expect(createMasker(['"short"']).mask('short')).toBe('short')
  const masker = createMasker(['first-part&second-part', 'before&+nafter-it'])
  const shown = 'first-part& second-part before&+ after-it'
  expect(masker.mask(shown)).toBe('*** *** *** ***')
})

test('a secret added during the run is masked from then on', () => {
  const masker = createMasker([])
  expect(masker.mask('token-1')).toBe('token-1')
  masker.add('token-1')
  expect(masker.mask('a token-1 b')).toBe('a *** b')
  masker.add('')
  masker.add('   ')
  expect(masker.mask('a   b')).toBe('a   b')
})

// Rebuilding the pattern with each added value took 15 seconds for 1,000 values.
test('adding thousands of values is fast', () => {
  const masker = createMasker([])
  const secretOf = (index: number): string => `secret-value-${index.toString(36)}-of-many`
  for (let index = 0; index < 2000; index++) masker.add(secretOf(index))
  expect(masker.mask(`<${secretOf(1999)}>`)).toBe('<***>')
})
