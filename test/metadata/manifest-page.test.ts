import { randomBytes } from 'node:crypto'
import { inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EntryPath, comparePaths, pathFault } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import {
  type PageEntry,
  decodeManifestPage,
  encodeManifestPage,
} from '../../src/metadata/manifest-page.ts'

const segment = fc.oneof(
  { weight: 3, arbitrary: fc.stringMatching(/^[a-c]{1,3}$/) },
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
)
const path = fc
  .array(segment, { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join('/'))
  .filter((text) => pathFault(text) === undefined)
  .map((text) => text as EntryPath)
const mode = fc.oneof(fc.constantFrom(0o644, 0o755), fc.integer({ min: 0, max: 0o777 }))
const blobId = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 2 ** 51 }))
const entry: fc.Arbitrary<PageEntry> = fc.oneof(
  fc.record({ kind: fc.constant('file' as const), path, mode, blobId }),
  fc.record({ kind: fc.constant('directory' as const), path, mode }),
  fc.record({
    kind: fc.constant('symlink' as const),
    path,
    mode,
    target: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
  }),
)
const page = fc
  .uniqueArray(entry, { selector: (item) => item.path, maxLength: 40 })
  .map((entries) => entries.toSorted((a, b) => comparePaths(a.path, b.path)))

function numberedFiles(count: number): PageEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'file',
    path: `packages/app/dist/server/chunk-${String(index).padStart(6, '0')}.js` as EntryPath,
    mode: 0o644,
    blobId: 70_000 + index * 2,
  }))
}

describe('manifest pages', () => {
  test('decoding returns what was encoded', () => {
    fc.assert(
      fc.property(page, (entries) => {
        expect(decodeManifestPage(encodeManifestPage(entries))).toEqual(entries)
      }),
    )
  })

  test('a full page of the longest paths and targets decodes', () => {
    const long = (index: number): EntryPath => {
      const name = String(index).padStart(limits.segmentBytesMax, 'x')
      return `${Array<string>(15).fill(name).join('/')}/${name}`.slice(0, 4_096) as EntryPath
    }
    const entries = Array.from({ length: limits.manifestPageEntries }, (_, index): PageEntry => {
      const target = randomBytes(limits.symlinkTargetBytesMax / 2).toString('hex')
      return { kind: 'symlink', path: long(index), mode: 0o777, target }
    })
    expect(decodeManifestPage(encodeManifestPage(entries))).toEqual(entries)
  })

  test('front coding may cut inside a character', () => {
    const entries = ['aé', 'aè', 'a\u{1f600}', 'a\u{1f601}'].map((text): PageEntry => {
      return { kind: 'directory', path: text as EntryPath, mode: 0o755 }
    })
    expect(decodeManifestPage(encodeManifestPage(entries))).toEqual(entries)
  })

  test('a file of a typical build takes a few bytes', () => {
    const entries = numberedFiles(limits.manifestPageEntries)
    expect(encodeManifestPage(entries).length).toBeLessThan(entries.length * 3)
  })

  test('bytes that are not a page, or only the beginning of one, are errors', () => {
    const bytes = encodeManifestPage(numberedFiles(20))
    const otherVersion = Buffer.concat([Buffer.from([9]), bytes.subarray(1)])
    expect(() => decodeManifestPage(otherVersion)).toThrow('version 9')
    expect(() => decodeManifestPage(Buffer.alloc(0))).toThrow('version')
    for (let length = 1; length < bytes.length; length++) {
      expect(() => decodeManifestPage(bytes.subarray(0, length))).toThrow(Error)
    }
  })

  // Pages are stored on disk: the encoding changes only together with the version byte.
  test('the encoding is stable', () => {
    const entries: PageEntry[] = [
      { kind: 'directory', path: 'bin' as EntryPath, mode: 0o700 },
      { kind: 'file', path: 'bin/run' as EntryPath, mode: 0o755, blobId: 300 },
      { kind: 'symlink', path: 'bin/run-latest' as EntryPath, mode: 0o777, target: 'run' },
      { kind: 'file', path: 'é/x' as EntryPath, mode: 0o644, blobId: 2 ** 40 },
    ]
    const golden = Buffer.from(goldenPage, 'base64')
    expect(decodeManifestPage(golden)).toEqual(entries)
    // Another version of zlib may deflate differently.
    const plain = (bytes: Buffer): Buffer => inflateRawSync(bytes.subarray(1))
    expect(plain(encodeManifestPage(entries))).toEqual(plain(golden))
  })
})

const goldenPage = 'AWNhPcDM8paZ7T8zyxLmGywrfv///9+egZmZhZ2dgSUpM0+/qDRPNyexJLW45PBK/QrmotI8AA=='
