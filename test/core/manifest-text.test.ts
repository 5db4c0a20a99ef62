/** Manifest lines checked as bytes, compared with the check as strings; and changes between two
 *  manifests. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import {
  comparePaths,
  type Entry,
  type EntryPath,
  parseEntryPath,
} from '../../src/core/manifest/entry.ts'
import { createTreeCheck, formatEntry, readEntry } from '../../src/core/manifest/manifest.ts'
import {
  applyChanges,
  formatRemoval,
  type ManifestLines,
  type Stretch,
} from '../../src/core/manifest/manifest-changes.ts'
import { createLineCheck } from '../../src/core/manifest/manifest-text.ts'
import { linesOf } from './manifest-lines.ts'
import { turns } from '../turns.ts'

/** The verdict on each path, up to the first one rejected. */
function verdicts(judge: (path: Buffer, isDirectory: boolean) => void, paths: Judged[]): string[] {
  const messages: string[] = []
  for (const { path, isDirectory } of paths) {
    try {
      judge(Buffer.from(path), isDirectory)
      messages.push('ok')
    } catch (error) {
      messages.push((error as Error).message)
      break
    }
  }
  return messages
}

function byBytes(): (path: Buffer, isDirectory: boolean) => void {
  const check = createLineCheck()
  // Each path lies somewhere within a larger text.
  return (path, isDirectory) => {
    const text = Buffer.concat([Buffer.from('f 644 '), path, Buffer.from('\n')])
    check(text, 6, 6 + path.length, isDirectory)
  }
}

function byStrings(): (path: Buffer, isDirectory: boolean) => void {
  const check = createTreeCheck()
  return (bytes, isDirectory) => {
    const path = parseEntryPath(bytes.toString())
    check({ kind: isDirectory ? 'directory' : 'file', path })
  }
}

interface Judged {
  path: string
  isDirectory: boolean
}

const segments = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'a.b', 'a-b', 'ab', '.a', '@a', 'a b') },
  { weight: 1, arbitrary: fc.constantFrom('é', '😀', '\ue000', 'a\\b', 'C:', ' a') },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', 'a\u0001', 'x'.repeat(256), '..\\a') },
)
const paths = fc.array(segments, { minLength: 1, maxLength: 4 }).map((each) => each.join('/'))
const judged: fc.Arbitrary<Judged[]> = fc
  .array(fc.record({ path: paths, isDirectory: fc.boolean() }), { maxLength: 8 })
  .chain((list) =>
    // Mostly in order, because lists out of order are rejected early.
    fc.constantFrom(
      list.toSorted((a, b) => comparePaths(a.path, b.path)),
      list,
    ),
  )

describe('paths of lines', () => {
  test('are judged as bytes exactly as they are as strings', () => {
    fc.assert(
      fc.property(judged, (list) => {
        expect(verdicts(byBytes(), list)).toEqual(verdicts(byStrings(), list))
      }),
      { numRuns: turns(3000) },
    )
  })

  test('may be as long as a path can be', () => {
    const long = `${'x'.repeat(127)}/`.repeat(32).slice(0, 4095)
    expect(verdicts(byBytes(), [{ path: `${long}y`, isDirectory: false }])).toEqual(['ok'])
    const [message] = verdicts(byBytes(), [{ path: `${long}yy`, isDirectory: false }])
    expect(message).toContain('longer than 4096 bytes')
  })

  test('that are not UTF-8 are rejected, because two of them could be the same name', () => {
    const judge = byBytes()
    expect(() => judge(Buffer.from([0x61, 0xff]), false)).toThrow(/not valid UTF-8/)
  })
})

const entries: fc.Arbitrary<Entry> = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    path: fc.constant('' as EntryPath),
    mode: fc.constantFrom(0o644, 0o755),
    digest: fc.constantFrom('1', '2', '3').map((text) => digestOf(text)),
    sizeBytes: fc.nat(100),
  }),
  fc.record({
    kind: fc.constant('directory' as const),
    path: fc.constant('' as EntryPath),
    mode: fc.constantFrom(0o700, 0o755),
  }),
  fc.record({
    kind: fc.constant('symlink' as const),
    path: fc.constant('' as EntryPath),
    mode: fc.constant(0o777),
    target: fc.constantFrom('a', '../x y', 'é'.repeat(20), '1 2 3'),
  }),
)
const names = fc.constantFrom('a', 'a.b', 'a/b', 'ä', 'b', 'b c', 'b/c', 'c', 'd/é', 'z')
const trees = fc
  .array(fc.tuple(names, entries), { maxLength: 10 })
  .map((list) => new Map(list.map(([path, entry]) => [path, { ...entry, path } as Entry])))

function textOf(tree: ReadonlyMap<string, Entry>): string {
  return [...tree.values()]
    .toSorted((a, b) => comparePaths(a.path, b.path))
    .map(formatEntry)
    .join('')
}

/** Checks where in the base a stretch lies, or which line it replaces. */
function checkPlace(
  { text, isKept, baseLine }: Stretch,
  held: ManifestLines,
  base: ReadonlyMap<string, Entry>,
): void {
  const at = baseLine === null ? null : held.starts[baseLine]!
  if (isKept) {
    expect(held.text.subarray(at!, at! + text.length).equals(text)).toBe(true)
    return
  }
  const path = readEntry(text.toString().slice(0, -1)).path
  const line = at === null ? undefined : held.text.toString('utf8', at).split('\n')[0]
  expect(line === undefined ? undefined : readEntry(line)).toEqual(base.get(path))
}

describe('changes', () => {
  test('turn one manifest into the other', () => {
    fc.assert(
      fc.property(trees, trees, (base, head) => {
        const changes = [...new Set([...base.keys(), ...head.keys()])]
          .toSorted(comparePaths)
          .map((path) => {
            const [before, after] = [base.get(path), head.get(path)]
            if (after === undefined) return formatRemoval(path)
            return before && formatEntry(before) === formatEntry(after) ? '' : formatEntry(after)
          })
        const held = linesOf(Buffer.from(textOf(base)))
        const made = applyChanges(held, Buffer.from(changes.join('')))
        expect(Buffer.concat(made.map(({ text }) => text)).toString()).toBe(textOf(head))
        for (const stretch of made) checkPlace(stretch, held, base)
      }),
      { numRuns: turns(2000) },
    )
  })

  test('that end within a line cannot be parsed', () => {
    const base = linesOf(Buffer.from('d 755 a\n'))
    expect(() => applyChanges(base, Buffer.from('- a'))).toThrow(RangeError)
  })
})
