/** Random trees for properties, and one tree with everything. */
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import type { EntrySpec, FileForm } from './memory-store.ts'

export const repetitive = (lengthBytes: number): Buffer =>
  Buffer.alloc(lengthBytes, 'All work and no play makes a dull file. ')

/** Every kind of entry and every form of a file. */
export function fullTree(): EntrySpec[] {
  const modifiedAt = Date.UTC(2026, 2, 4, 5, 6, 8) / 1000
  return [
    { kind: 'directory', path: 'empty', modifiedAt },
    { kind: 'directory', path: 'bin', mode: 0o700, modifiedAt },
    {
      kind: 'file',
      path: 'bin/run',
      mode: 0o755,
      content: repetitive(1000),
      form: 'joining',
      modifiedAt,
    },
    { kind: 'symlink', path: 'bin/latest', target: 'run', modifiedAt },
    { kind: 'file', path: 'empty.txt', content: Buffer.alloc(0), form: 'joining', modifiedAt },
    { kind: 'file', path: 'one', content: Buffer.from('x'), form: 'stored', modifiedAt },
    {
      kind: 'file',
      path: 'foreign/deflate.bin',
      content: repetitive(200_000),
      form: 'deflate',
      modifiedAt,
    },
    {
      kind: 'file',
      path: 'foreign/stored.bin',
      content: randomBytes(2_500_000),
      form: 'stored',
      modifiedAt,
    },
    {
      kind: 'file',
      path: 'cut.bin',
      content: randomBytes(3_000_001),
      form: { partBytes: 65_536 },
      modifiedAt,
    },
    {
      kind: 'file',
      path: 'cut.txt',
      content: repetitive(700_000),
      form: { partBytes: 100_000 },
      modifiedAt,
    },
    {
      kind: 'file',
      path: 'häß/ü \u{1F600}.txt',
      content: Buffer.from('Grüße'),
      form: 'joining',
      modifiedAt,
    },
    {
      kind: 'file',
      path: `${'d/'.repeat(90)}deep.txt`,
      content: Buffer.from('deep'),
      form: 'deflate',
      modifiedAt,
    },
    {
      kind: 'file',
      path: `long/${'n'.repeat(200)}`,
      content: Buffer.from('long'),
      form: 'joining',
    },
    { kind: 'symlink', path: 'far', target: `${'up/'.repeat(60)}there`, modifiedAt },
  ]
}

const form: fc.Arbitrary<FileForm> = fc.oneof(
  fc.constantFrom('joining' as const, 'deflate' as const, 'stored' as const),
  fc.integer({ min: 1, max: 5000 }).map((partBytes) => ({ partBytes })),
)

const content = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 150_000 }).map(repetitive) },
)

const segment = fc
  .stringMatching(/^[a-zA-Z0-9_äß. -]{1,12}$/)
  .filter((text) => !/^\.{1,2}$/.test(text))
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
const modifiedAt = fc.option(fc.integer({ min: -100_000, max: 10_000_000_000 }))
const mode = fc.integer({ min: 0, max: 0o777 })

const entry: fc.Arbitrary<EntrySpec> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('file' as const),
      path,
      mode,
      content,
      form,
      modifiedAt,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('directory' as const), path, mode, modifiedAt }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('symlink' as const), path, target: path, modifiedAt }),
  },
)

/** Distinct paths; none lies below a path that is not a directory. */
export const tree: fc.Arbitrary<EntrySpec[]> = fc
  .uniqueArray(entry, { maxLength: 25, selector: (spec) => spec.path })
  .map((specs) =>
    specs.filter(
      (spec) => !specs.some((other) => other !== spec && spec.path.startsWith(`${other.path}/`)),
    ),
  )
