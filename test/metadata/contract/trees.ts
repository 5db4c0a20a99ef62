import { expect, test } from 'vitest'
import { type Entry, comparePaths, parseEntryPath } from '../../../src/core/manifest/entry.ts'
import { formatEntry } from '../../../src/core/manifest/manifest.ts'
import { applyChanges } from '../../../src/core/manifest/manifest-changes.ts'
import { linesOf } from '../../core/manifest-lines.ts'
import { decodeTimes } from '../../../src/core/manifest/modification-times.ts'
import type {
  Artifact,
  ComparedEntry,
  EntryPair,
  MeasuredStretch,
  SearchedStretch,
} from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { fileEntry, seedArtifact, seedRun, seedTree } from '../seed.ts'

export function treesContract(store: Store): void {
  const commitEntries = async (
    name: string,
    files: { entry: Entry; content?: string }[],
    times?: (number | null)[],
  ): Promise<Artifact> => {
    const sorted = files.toSorted((a, b) => comparePaths(a.entry.path, b.entry.path))
    const contents = sorted.flatMap(({ content }) => (content === undefined ? [] : [content]))
    const entries = sorted.map(({ entry }) => entry)
    return await seedTree(store(), await seedRun(store()), { entries, contents, times }, { name })
  }
  const file = (path: string, content: string, mode = 0o644) => ({
    entry: fileEntry(path, content, mode),
    content,
  })
  const link = (path: string, target: string): { entry: Entry } => ({
    entry: { kind: 'symlink', path: parseEntryPath(path), mode: 0o777, target },
  })
  const directory = (path: string): { entry: Entry } => ({
    entry: { kind: 'directory', path: parseEntryPath(path), mode: 0o700 },
  })
  const many = (from: number, to: number, content = 'x') =>
    Array.from({ length: to - from }, (_, index) =>
      file(`f${String(from + index).padStart(5, '0')}`, content),
    )

  test('a directory lists its children with their modes and times, page by page', async () => {
    const { id } = await commitEntries(
      'listed',
      [
        file('a/one', '1'),
        file('a/deep/two', '22'),
        directory('a/empty'),
        link('a/link', 'one'),
        file('b', '333'),
      ],
      // Positions in path order: a/deep/two, a/empty, a/link, a/one, b.
      [2, 3, 4, 1, 5],
    )
    const list = async (at: string, limit = 10, from: string | null = null) =>
      await store().listDirectory(id, { directory: at, limit, from })
    const root = await list('')
    expect(root?.children.map(({ entry, modifiedAt }) => [formatEntry(entry), modifiedAt])).toEqual(
      [
        [formatEntry({ kind: 'directory', path: parseEntryPath('a'), mode: 0o755 }), null],
        [formatEntry(fileEntry('b', '333')), 5],
      ],
    )
    const first = await list('a', 2)
    const second = await list('a', 2, first?.next ?? null)
    expect(
      [...(first?.children ?? []), ...(second?.children ?? [])].map((each) => [
        each.entry.path,
        each.entry.kind,
        each.modifiedAt,
      ]),
    ).toEqual([
      ['a/deep', 'directory', null],
      ['a/empty', 'directory', 3],
      ['a/link', 'symlink', 4],
      ['a/one', 'file', 1],
    ])
    expect(second?.next).toBeNull()
    expect(await list('a/empty')).toEqual({ children: [], next: null })
    expect(await list('b')).toBeUndefined()
    expect(await list('missing')).toBeUndefined()
  })

  const textOf = async ({ id, entryCount }: Artifact): Promise<Buffer> => {
    const pages: Uint8Array[] = []
    for (let page = 0; page * 512 < entryCount; page++)
      pages.push((await store().readTreePage(id, page))!.lines)
    return Buffer.concat(pages)
  }

  /** Checks that the changes returned by the store turn one tree into the other. */
  const expectChanges = async (base: Artifact, head: Artifact): Promise<void> => {
    const lines: Uint8Array[] = []
    for (let place: { base: number; head: number } | null = { base: 0, head: 0 }; place !== null;) {
      const stretch = await store().readTreeChanges(base.id, head.id, place)
      lines.push(stretch.lines)
      place = stretch.next
    }
    const made = applyChanges(linesOf(await textOf(base)), Buffer.concat(lines))
    expect(Buffer.concat(made.map(({ text }) => text)).equals(await textOf(head))).toBe(true)
  }

  /** The result of a whole comparison, as text. */
  const compare = async (base: Artifact, head: Artifact) => {
    const pairs: EntryPair[] = []
    let unchanged = 0
    for (let place: { base: number; head: number } | null = { base: 0, head: 0 }; place !== null;) {
      const stretch = await store().readDifferences(base.id, head.id, place)
      // Half of a page, and what one more page of each side holds.
      expect(stretch.differing.length).toBeLessThanOrEqual(256 + 2 * 512)
      pairs.push(...stretch.differing)
      unchanged += stretch.unchanged
      place = stretch.next
    }
    await expectChanges(base, head)
    const differences = pairs.map(({ before, after }) =>
      before === null
        ? `+ ${after.entry.path}`
        : `${after === null ? '-' : '!'} ${before.entry.path}`,
    )
    return { differences, unchanged, pairs }
  }

  test('a page of a tree has its canonical lines and its times', async () => {
    const files = [directory('d'), file('f', 'one', 0o755), link('l', 'f')]
    const artifact = await commitEntries('a', files, [1, null, -3])
    const page = await store().readTreePage(artifact.id, 0)
    expect(Buffer.from(page!.lines).toString()).toBe(
      files.map(({ entry }) => formatEntry(entry)).join(''),
    )
    expect(decodeTimes(page!.times!, 3)).toEqual([1, null, -3])
    expect(await store().readTreePage(artifact.id, 1)).toBeUndefined()
  })

  test('times of a tree are returned by page', async () => {
    const artifact = await commitEntries(
      'a',
      many(0, 1_300),
      Array.from({ length: 1_300 }, (_, index) => index),
    )
    const pages = await store().readTreeTimes(artifact.id, 0)
    const read = pages.flatMap((page, index) =>
      decodeTimes(page!, Math.min(512, 1_300 - index * 512)),
    )
    expect(read).toEqual(Array.from({ length: 1_300 }, (_, index) => index))
    expect(await store().readTreeTimes(artifact.id, 2)).toEqual(pages.slice(2))
    expect(await store().readTreeTimes(artifact.id, 3)).toEqual([])
    const empty = await commitEntries('c', [])
    expect(await store().readTreeTimes(empty.id, 0)).toEqual([])
  })

  test('a comparison finds differences in content, kind, target and mode, with the times of both', async () => {
    const base = await commitEntries(
      'a',
      [
        file('alike', '1'),
        file('content', '2'),
        file('gone', '3'),
        link('kind', 'x'),
        file('mode', '4'),
        link('target', 'x'),
      ],
      [1, 2, 3, 4, 5, 6],
    )
    const head = await commitEntries(
      'b',
      [
        file('added', '5'),
        file('alike', '1'),
        file('content', '6'),
        directory('kind'),
        file('mode', '4', 0o755),
        link('target', 'y'),
      ],
      [10, 20, 30, 40, 50, 60],
    )
    const { differences, unchanged, pairs } = await compare(base, head)
    expect(differences).toEqual(['+ added', '! content', '- gone', '! kind', '! mode', '! target'])
    expect(unchanged).toBe(1)
    expect(pairs[1]).toEqual({
      before: { entry: fileEntry('content', '2'), modifiedAt: 2 },
      after: { entry: fileEntry('content', '6'), modifiedAt: 30 },
    })
  })

  test('trees of several pages are compared to their ends, even when their entries are shifted', async () => {
    const base = await commitEntries('a', many(0, 1_300))
    const shifted = await commitEntries('b', [
      file('a', 'new'),
      ...many(0, 700),
      ...many(701, 1_300),
    ])
    expect(await compare(base, shifted)).toMatchObject({
      differences: ['+ a', '- f00700'],
      unchanged: 1_299,
    })
    expect(await compare(shifted, base)).toMatchObject({
      differences: ['- a', '+ f00700'],
      unchanged: 1_299,
    })
    const longer = await commitEntries('c', [...many(0, 1_300), ...many(1_300, 1_310, 'y')])
    const { differences, unchanged } = await compare(base, longer)
    expect([differences.length, differences[0], unchanged]).toEqual([10, '+ f01300', 1_300])
    const empty = await commitEntries('d', [])
    expect(await compare(empty, base)).toMatchObject({
      unchanged: 0,
      differences: { length: 1_300 },
    })
    expect(await compare(base, empty)).toMatchObject({
      unchanged: 0,
      differences: { length: 1_300 },
    })
  })

  test('comparing artifacts of one tree takes one step and finds no difference', async () => {
    const base = await commitEntries('a', many(0, 1_300))
    const head = await commitEntries('b', many(0, 1_300))
    const start = { base: 0, head: 0 }
    expect(await store().readDifferences(base.id, head.id, start)).toEqual({
      differing: [],
      unchanged: 1_300,
      next: null,
    })
    const changes = await store().readTreeChanges(base.id, head.id, start)
    expect([changes.lines.length, changes.next]).toEqual([0, null])
  })

  test('a search finds all matches as stored, and continues after the limit was reached', async () => {
    const { id, entryCount } = await commitEntries(
      'searched',
      [
        ...many(0, 1_300),
        file('x/a.map', 'one', 0o755),
        directory('x/b.map'),
        link('x/c.map', 'a.map'),
      ],
      Array.from({ length: 1_303 }, (_, index) => index),
    )
    const search = async (glob: string, limit = 1_000): Promise<ComparedEntry[]> => {
      const all: ComparedEntry[] = []
      for (let ordinal: number | null = 0; ordinal !== null;) {
        const { found, next }: SearchedStretch = await store().searchTree(id, [glob], {
          ordinal,
          limit,
        })
        expect(found.length).toBeLessThanOrEqual(limit)
        expect(next ?? entryCount).toBeGreaterThan(ordinal)
        all.push(...found)
        ordinal = next
      }
      return all
    }
    expect(await search('**/*.map', 2)).toEqual([
      { entry: fileEntry('x/a.map', 'one', 0o755), modifiedAt: 1_300 },
      { ...directory('x/b.map'), modifiedAt: 1_301 },
      { ...link('x/c.map', 'a.map'), modifiedAt: 1_302 },
    ])
    const paths = (found: ComparedEntry[]): string[] => found.map(({ entry }) => entry.path)
    // On both sides of a page boundary.
    expect(paths(await search('f0051[0-3]'))).toEqual(['f00510', 'f00511', 'f00512', 'f00513'])
    expect(await search('f*', 7)).toHaveLength(1_300)
    expect(await search('none')).toEqual([])
    const past = { ordinal: entryCount, limit: 1 }
    expect(await store().searchTree(id, ['**'], past)).toEqual({ found: [], next: null })
    await expect(store().searchTree(id, ['!a'], past)).rejects.toMatchObject({
      code: 'invalid_request',
    })
  })

  test('another call is served while many searches are running', async () => {
    const { id } = await commitEntries('searched', many(0, 100))
    const order: string[] = []
    const search = () => store().searchTree(id, ['none'], { ordinal: 0, limit: 1 })
    const searching = Promise.all(Array.from({ length: 50 }, search)).then(() => order.push('all'))
    await store()
      .findArtifact(id)
      .then(() => order.push('another'))
    await searching
    expect(order).toEqual(['another', 'all'])
  })

  test('the sizes below a directory are summed by child, a page per step', async () => {
    const before = Array.from({ length: 600 }, (_, index) => file(`a/${1000 + index}`, 'xy'))
    const entries = [
      ...before,
      file('b/c-d', '1'),
      file('b/c/deep/er', '22'),
      file('b/c/x', '333'),
      directory('b/empty'),
      link('b/link', 'c/x'),
      file('b0', '4444'),
    ]
    const { id } = await commitEntries('measured', entries)
    const sum = async (at: string) => {
      const steps: (string | number)[][][] = []
      for (let page: number | null = null; ;) {
        const { children, next }: MeasuredStretch = await store().measureDirectory(id, at, page)
        steps.push(children.map((each) => [each.kind, each.path, each.files, each.sizeBytes]))
        if (next === null) return steps
        page = next
      }
    }
    const root = await sum('')
    expect(root.length).toBeGreaterThan(1)
    expect(root[0]).toEqual([['directory', 'a', 512, 1024]])
    expect(root.at(-1)).toEqual([
      ['directory', 'a', 88, 176],
      ['directory', 'b', 3, 6],
      ['file', 'b0', 1, 4],
    ])
    const below = [
      ['file', 'b/c-d', 1, 1],
      ['directory', 'b/c', 2, 5],
    ]
    expect(await sum('b')).toEqual([below])
    expect(await sum('b/empty')).toEqual([[]])
    expect(await sum('none')).toEqual([[]])
  })

  test('a tree that is removed while it is being read fails loudly', async () => {
    const { id } = await seedArtifact(store(), await seedRun(store()), { a: 'one' })
    const other = await seedArtifact(store(), await seedRun(store()), { a: 'two' }, { name: 'b' })
    await store().removeArtifacts([id], { state: 'deleted', reason: 'test', now: 2_500 })
    const gone = { code: 'artifact_deleted' }
    const all = { ordinal: 0, limit: 1 }
    await expect(store().searchTree(id, ['**'], all)).rejects.toMatchObject(gone)
    await expect(store().measureDirectory(id, '', null)).rejects.toMatchObject(gone)
    await expect(store().readTreePage(id, 0)).rejects.toMatchObject(gone)
    await expect(store().readTreeTimes(id, 0)).rejects.toMatchObject(gone)
    const place = { base: 0, head: 0 }
    await expect(store().readDifferences(id, other.id, place)).rejects.toMatchObject(gone)
    await expect(store().readDifferences(other.id, id, place)).rejects.toMatchObject(gone)
    await expect(store().readTreeChanges(id, other.id, place)).rejects.toMatchObject(gone)
    await expect(store().readTreeChanges(other.id, id, place)).rejects.toMatchObject(gone)
    await expect(store().readTreePage(99, 0)).rejects.toMatchObject({ code: 'artifact_not_found' })
  })
}
