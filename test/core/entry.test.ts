/** Checking and ordering paths, and the canonical lines of entries. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  type Entry,
  type EntryPath,
  comparePaths,
  pathFault,
  withoutEndSlashes,
} from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import {
  checkSymlinkTarget,
  createManifestHasher,
  createTreeCheck,
  formatEntry,
  parseEntry,
  readEntry,
} from '../../src/core/manifest/manifest.ts'

/** Pieces that make paths invalid, and some ordinary ones. */
const pieces = ['a', 'Z', '0', '-', '_', '.', '..', '/', '//', ' ', '@', '~', '+', ':', '\\', '\n']
const long = ['x'.repeat(200), 'ü'.repeat(120), `${'y'.repeat(250)}/`.repeat(16)]
const odd = ['\u007f', 'ä', '\u{1f600}', '\ud800', '\uffff', ...long]
const piece = fc.constantFrom(...pieces, ...odd)
const anyPath = fc.array(piece, { maxLength: 12 }).map((chosen) => chosen.join(''))

/** The rules for paths, restated as plainly as possible. */
function isSafe(path: string): boolean {
  const segments = path.split('/')
  return (
    Buffer.byteLength(path) <= limits.pathBytesMax &&
    path.isWellFormed() &&
    !/^[A-Za-z]:/.test(path) &&
    // oxlint-disable-next-line no-control-regex -- control characters are exactly what is rejected.
    !/[\u0000-\u001f\u007f]/.test(path) &&
    !path.split(/[\\/]/).includes('..') &&
    segments.every(
      (segment) =>
        segment !== '' && segment !== '.' && Buffer.byteLength(segment) <= limits.segmentBytesMax,
    )
  )
}

describe('a path', () => {
  test('is rejected exactly when it is unsafe', () => {
    fc.assert(
      fc.property(anyPath, (path) => {
        expect(pathFault(path) === undefined).toBe(isSafe(path))
      }),
      { numRuns: 2000 },
    )
  })

  test('is ordered by its UTF-8 bytes', () => {
    const text = fc.array(fc.constantFrom('a', 'b', '/', '.', 'ä', '\ue000', '\uffff', '\u{1f600}'))
    fc.assert(
      fc.property(text, text, (left, right) => {
        const [a, b] = [left.join(''), right.join('')]
        const wanted = Buffer.compare(Buffer.from(a), Buffer.from(b))
        expect(Math.sign(comparePaths(a, b))).toBe(wanted)
      }),
      { numRuns: 2000 },
    )
  })

  test('loses its trailing slashes in linear time', () => {
    expect(['', '/', 'a', 'a/', 'a/b//', '//a'].map(withoutEndSlashes)).toEqual([
      '',
      '',
      'a',
      'a',
      'a/b',
      '//a',
    ])
    // A regular expression takes a minute for these.
    const many = `${'/'.repeat(200_000)}a`
    expect(withoutEndSlashes(`${many}/`) === many).toBe(true)
  })
})

const entry: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    path: fc.constantFrom('a b', 'ä/b', 'deep/er/file.js') as fc.Arbitrary<EntryPath>,
    mode: fc.integer({ min: 0, max: 0o777 }),
    digest: fc.string().map((text) => digestOf(text)),
    sizeBytes: fc.maxSafeNat(),
  }),
  fc.record({
    kind: fc.constant('directory' as const),
    path: fc.constantFrom('a b', 'ä/b') as fc.Arbitrary<EntryPath>,
    mode: fc.integer({ min: 0, max: 0o777 }),
  }),
  fc.record({
    kind: fc.constant('symlink' as const),
    path: fc.constantFrom('a b', 'ä/b') as fc.Arbitrary<EntryPath>,
    mode: fc.constant(0o777),
    target: fc.constantFrom('x y', '../ä', '/'),
  }),
)

describe('a line of a manifest', () => {
  test('survives a round trip', () => {
    fc.assert(
      fc.property(entry, (written) => {
        const line = formatEntry(written).slice(0, -1)
        expect(parseEntry(line)).toEqual(written)
        expect(readEntry(line)).toEqual(written)
      }),
    )
  })

  test.each([
    ['a negative size', (line: string) => line.replace(/^f 644 \d+/, 'f 644 -1')],
    ['a size with a leading zero', (line: string) => line.replace(/^f 644 /, 'f 644 0')],
    ['a size in exponent notation', (line: string) => line.replace(/^f 644 \d+/, 'f 644 1e3')],
    ['an empty size', (line: string) => line.replace(/^f 644 \d+/, 'f 644 ')],
    [
      'a size that is not a safe integer',
      (line: string) => line.replace(/ \d+ /, ' 9007199254740993 '),
    ],
    ['a digit that is not octal in the mode', (line: string) => line.replace('644', '648')],
    [
      'a digest in upper case',
      (line: string) => line.replace(/[0-9a-f]{64}/, (h) => h.toUpperCase()),
    ],
    ['a short digest', (line: string) => line.replace(/[0-9a-f]{64}/, (h) => h.slice(1))],
    ['two spaces', (line: string) => line.replace(' 644 ', ' 644  ')],
    ['an unknown kind', (line: string) => line.replace('f ', 'g ')],
    ['no path', (line: string) => line.slice(0, -'name'.length)],
    ['nothing', () => ''],
  ])('with %s is rejected', (_, change) => {
    const [path, digest] = ['name' as EntryPath, digestOf('a content whose digest has letters')]
    const line = formatEntry({ kind: 'file', path, mode: 0o644, digest, sizeBytes: 34 }).trimEnd()
    expect(parseEntry(line).path).toBe(path)
    expect(() => parseEntry(change(line))).toThrow(/not a line of a manifest|invalid path/)
  })

  test('yields the same digest whether it is formatted or passed in', () => {
    const [formatted, given] = [createManifestHasher(), createManifestHasher()]
    for (const path of ['a', 'a/b', 'b'] as EntryPath[]) {
      const directory = { kind: 'directory' as const, path, mode: 0o700 }
      formatted.add(directory)
      given.add(directory, formatEntry(directory).slice(0, -1))
    }
    expect(given.summary()).toEqual(formatted.summary())
  })
})

test('a tree digest is that of the canonical text, whatever its length', () => {
  const hasher = createManifestHasher()
  const lines = ['trove manifest 1\n']
  const digest = digestOf('content')
  for (let index = 0; index < 1500; index++) {
    const path = `a${1000 + index}` as EntryPath
    const entry: Entry =
      index % 3 === 0
        ? { kind: 'symlink', path, mode: 0o777, target: 'there' }
        : { kind: 'file', path, mode: 0o644, digest, sizeBytes: index }
    hasher.add(entry)
    lines.push(formatEntry(entry))
  }
  const again = { kind: 'directory', path: 'a2499' as EntryPath, mode: 0o755 } as const
  expect(() => hasher.add(again)).toThrow(/out of order/)
  const text = lines.join('')
  expect(text.length).toBeGreaterThan(65_536)
  expect(hasher.summary()).toEqual({
    treeDigest: digestOf(text),
    entryCount: 1500,
    fileCount: 1000,
    logicalBytes: Array.from({ length: 1500 }, (_, index) => index)
      .filter((index) => index % 3 !== 0)
      .reduce((a, b) => a + b),
  })
})

const mostTarget = 'ü'.repeat(limits.symlinkTargetBytesMax / 2)

test.each(['/absolute', '../outside', 'a\\b', ' ', mostTarget])(
  'a link may point to %j',
  (target) => {
    const link = { kind: 'symlink', path: 'link' as EntryPath, mode: 0o777, target } as const
    expect(parseEntry(formatEntry(link).slice(0, -1))).toEqual(link)
  },
)

test.each(['', 'a\nb', 'a\0', '\u007f', '\ud800', `${mostTarget}a`])(
  'a link may not point to %j',
  (target) => {
    const refused = expect.objectContaining({ code: 'unsafe_path' }) as Error
    expect(() => checkSymlinkTarget('link', target)).toThrow(refused)
    const line = `l ${Buffer.byteLength(target)} ${target} link`
    expect(() => parseEntry(line)).toThrow(/invalid path|not a line of a manifest/)
  },
)

test('a tree has nothing below a file, however far away the file is', () => {
  const file = (path: string): Entry => ({
    kind: 'file',
    path: path as EntryPath,
    mode: 0o644,
    digest: digestOf(''),
    sizeBytes: 0,
  })
  const judge = (...paths: string[]): void => paths.map(file).forEach(createTreeCheck())
  expect(() => judge('a', 'a.b', 'a.b.c', 'b')).not.toThrow()
  expect(() => judge('a', 'a.b', 'a.b.c', 'a/b')).toThrow(/below a file/)
  expect(() => judge('a.b', 'a.b.c', 'a.b/c')).toThrow(/below a file/)
  expect(() => judge('b', 'a')).toThrow(/out of order/)
})
