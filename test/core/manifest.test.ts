import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { type Entry, parseEntryPath } from '../../src/core/manifest/entry.ts'
import { formatEntry, parseEntry } from '../../src/core/manifest/manifest.ts'
import { readFileLine, skimFileLine } from '../../src/core/manifest/manifest-text.ts'

type FileEntry = Extract<Entry, { kind: 'file' }>

const files: fc.Arbitrary<FileEntry> = fc.record({
  kind: fc.constant('file' as const),
  path: fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
    .filter((name) => /^[^\p{C}\\/:.][^\p{C}\\/:]*$/u.test(name) && name.isWellFormed())
    .map((name) => parseEntryPath(`dir with space/${name}`)),
  mode: fc.integer({ min: 0, max: 0o777 }),
  digest: fc.string().map((text) => digestOf(text)),
  sizeBytes: fc.maxSafeNat(),
})

function read(line: Buffer, at = 0): { file: unknown; digest: Buffer } {
  const { mode, sizeBytes, pathAt } = readFileLine(line, at, line.length)
  const file = { mode, sizeBytes, path: parseEntryPath(line.toString('utf8', pathAt, line.length)) }
  const digest = Buffer.from(line.toString('latin1', pathAt - 65, pathAt - 1), 'hex')
  return { file, digest }
}

describe('a file line read from bytes', () => {
  test('yields what was written, wherever it lies', () => {
    fc.assert(
      fc.property(files, fc.nat(50), (entry, before) => {
        const line = formatEntry(entry).slice(0, -1)
        const bytes = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(line)])
        const { path, mode, sizeBytes } = entry
        expect(skimFileLine(bytes, before)).toEqual(readFileLine(bytes, before, bytes.length))
        expect(read(bytes, before)).toEqual({
          file: { path, mode, sizeBytes },
          digest: digestToBytes(entry.digest),
        })
      }),
    )
  })

  test('with one byte changed is rejected, or means what the strict parser says', () => {
    fc.assert(
      fc.property(files, fc.nat(), fc.nat(255), (entry, place, byte) => {
        const line = Buffer.from(formatEntry(entry).slice(0, -1))
        // The first byte is the kind, which the caller has already checked.
        line[1 + (place % (line.length - 1))] = byte
        let found: ReturnType<typeof read>
        try {
          found = read(line)
        } catch {
          return
        }
        const strict = orUndefined(() => parseEntry(line.toString()))
        // What only the strict parser rejects is another spelling of the same entry: leading zeros.
        if (strict === undefined) expect(line.toString()).toMatch(/^f \d{3} 0\d/)
        else expect(found.file).toMatchObject({ path: strict.path, mode: strict.mode })
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    'f',
    'f 644',
    'f 644 1',
    'f 644 1 ',
    `f 644 1 ${'0'.repeat(64)}`,
    `f 644  ${'0'.repeat(64)} a`,
  ])('is rejected when it is truncated: %s', (line) => {
    expect(() => read(Buffer.from(line))).toThrow(RangeError)
  })
})

function orUndefined<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
