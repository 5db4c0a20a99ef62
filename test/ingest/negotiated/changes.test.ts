/** A tree offered as changes to an earlier one is the same as one offered whole. */
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeOrdinals } from '../../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import { comparePaths, type Entry, type EntryPath } from '../../../src/core/manifest/entry.ts'
import { limits } from '../../../src/core/limits.ts'
import {
  createManifestHasher,
  formatEntry,
  type ManifestSummary,
} from '../../../src/core/manifest/manifest.ts'
import { changesHeader, formatRemoval } from '../../../src/core/manifest/manifest-changes.ts'
import { findBlob } from '../../metadata/find-blob.ts'
import { releaseAll, sweepBlobs } from '../../metadata/sweep-all.ts'
import { openStore, type TestStore } from '../open-store.ts'
import { openSession, record, type Session } from './open-session.ts'
import { turns } from '../../turns.ts'

/** Path to content; `->` begins the target of a symlink. */
type Tree = Record<string, string>

function entriesOf(tree: Tree): Entry[] {
  return Object.entries(tree)
    .toSorted(([a], [b]) => comparePaths(a, b))
    .map(([name, content]) => {
      const path = name as EntryPath
      if (content.startsWith('->'))
        return { kind: 'symlink', path, mode: 0o777, target: content.slice(2) }
      const sizeBytes = Buffer.byteLength(content)
      return { kind: 'file', path, mode: 0o644, digest: digestOf(content), sizeBytes }
    })
}

function summaryOf(tree: Tree): ManifestSummary {
  const hasher = createManifestHasher()
  for (const entry of entriesOf(tree)) hasher.add(entry)
  return hasher.summary()
}

function changesOf(base: Tree, head: Tree): { lines: string[]; changed: Entry[] } {
  const [older, newer] = [base, head].map(
    (tree) =>
      new Map<string, string>(entriesOf(tree).map((each) => [each.path, formatEntry(each)])),
  ) as [Map<string, string>, Map<string, string>]
  const paths = [...new Set([...older.keys(), ...newer.keys()])]
    .toSorted(comparePaths)
    .filter((path) => older.get(path) !== newer.get(path))
  return {
    lines: paths.map((path) => newer.get(path) ?? formatRemoval(path)),
    changed: entriesOf(head).filter(({ path }) => paths.includes(path)),
  }
}

async function offer(
  session: Session,
  base: ManifestSummary,
  tree: ManifestSummary,
  lines: string[],
) {
  const job = { step: 'changes', treeDigest: tree.treeDigest, base: base.treeDigest } as const
  const body = gzipSync(changesHeader + lines.join(''))
  return decodeOrdinals(await session.step({ ...job, encoding: 'gzip' }, body))
}

async function commit(session: Session, tree: ManifestSummary) {
  return await session.step({ step: 'commit', tree, ...session.target })
}

/** Sends the requested files. */
async function send(session: Session, changed: readonly Entry[], missing: number[], tree: Tree) {
  if (missing.length === 0) return
  const contents = missing.map((at) => Buffer.from(tree[changed[at]!.path]!))
  await session.step({ step: 'blobs' }, Buffer.concat(contents.map((content) => record(content))))
}

async function uploadWhole(store: TestStore, tree: Tree, project = 'mine/app') {
  const session = await openSession(store, project)
  const entries = entriesOf(tree)
  const { treeDigest, entryCount } = summaryOf(tree)
  const text = `trove manifest 1\n${entries.map(formatEntry).join('')}`
  const job = { step: 'manifest', treeDigest, entryCount, encoding: 'gzip' } as const
  await send(session, entries, decodeOrdinals(await session.step(job, gzipSync(text))), tree)
  return (await commit(session, summaryOf(tree))).artifact
}

async function uploadChanges(store: TestStore, base: Tree, head: Tree) {
  const session = await openSession(store, 'mine/app')
  const { lines, changed } = changesOf(base, head)
  const missing = await offer(session, summaryOf(base), summaryOf(head), lines)
  await send(session, changed, missing, head)
  return { missing, ...(await commit(session, summaryOf(head))) }
}

/** Returns what is stored of an artifact. */
async function storedOf(store: TestStore, id: number): Promise<unknown> {
  const entries: unknown[] = []
  for (let page = 0; ; page++) {
    const read = await store.metadata.readEntryPage(id, page)
    if (read === undefined) return entries
    entries.push(...read.entries)
  }
}

const names = ['a', 'a.b', 'a/b', 'b', 'b/c', 'b/é', 'c', 'd/e/f', 'z']
const trees = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('one', 'two', 'three', '->a', '')), {
    minLength: 1,
    maxLength: 9,
  })
  .map((pairs): Tree => {
    const tree = Object.fromEntries(pairs)
    // Nothing lies below a file.
    const isBelow = (name: string): boolean =>
      Object.keys(tree).some((other) => name.startsWith(`${other}/`))
    return Object.fromEntries(Object.entries(tree).filter(([name]) => !isBelow(name)))
  })

test('any tree can be made from any other, and holds what it would hold if sent whole', async () => {
  await fc.assert(
    fc.asyncProperty(trees, trees, async (base, head) => {
      const store = await openStore()
      const before = await uploadWhole(store, base)
      const { artifact, missing } = await uploadChanges(store, base, head)
      const known = new Set(Object.values(base))
      const fresh = changesOf(base, head).changed.flatMap((each, at) =>
        each.kind === 'file' && !known.has(head[each.path]!) ? [at] : [],
      )
      expect(missing).toEqual(fresh)
      expect(artifact.treeDigest).toBe(summaryOf(head).treeDigest)
      // Removing the base must remove what only the base had.
      const now = 5_000_000_000_000
      await store.metadata.removeArtifacts([before.id], { state: 'deleted', reason: 'test', now })
      if (artifact.id !== before.id) {
        await releaseAll(store.metadata, now + 1)
        await sweepBlobs(store.metadata, now + 1)
        const contents = new Set(Object.values(head).filter((content) => !content.startsWith('->')))
        const bytes = [...contents].reduce((sum, content) => sum + content.length, 0)
        expect(await store.metadata.figures()).toMatchObject({ artifacts: 1, uniqueBytes: bytes })
        const other = await openStore()
        const whole = await uploadWhole(other, head)
        expect([artifact.zipBytes, artifact.tarGzBytes]).toEqual([whole.zipBytes, whole.tarGzBytes])
        expect(await storedOf(store, artifact.id)).toHaveLength(entriesOf(head).length)
      }
    }),
    { numRuns: turns(40) },
  )
})

test('pages stay full when entries are added and removed', async () => {
  const store = await openStore()
  const size = limits.manifestPageEntries
  const numbered = (index: number): string => `f${`${index}`.padStart(6, '0')}`
  const base = Object.fromEntries(
    Array.from({ length: 2 * size + 7 }, (_, index) => [numbered(index), 'same']),
  )
  const head: Tree = { ...base, [`${numbered(3)}x`]: 'new', zz: 'last' }
  for (let index = size - 2; index < size + 20; index++) delete head[numbered(index)]
  await uploadWhole(store, base)
  const { artifact } = await uploadChanges(store, base, head)
  expect(await storedOf(store, artifact.id)).toHaveLength(Object.keys(head).length)
  expect((await store.metadata.readEntryPage(artifact.id, 0))!.entries).toHaveLength(size)
  expect(artifact.treeDigest).toBe(summaryOf(head).treeDigest)
})

describe('changes', () => {
  const [base, head] = [
    { a: 'one', b: 'two' },
    { a: 'other', b: 'two' },
  ]
  const lines = changesOf(base, head).lines

  test('to a tree that only another project has are rejected', async () => {
    const store = await openStore()
    await uploadWhole(store, base, 'other/app')
    const session = await openSession(store, 'mine/app')
    await expect(offer(session, summaryOf(base), summaryOf(head), lines)).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('that are out of order, unsafe or malformed are rejected', async () => {
    const store = await openStore()
    await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    const bad: [string[], string][] = [
      [['- b\n', '- a\n'], 'duplicate_path'],
      [['- a\n', '- a\n'], 'duplicate_path'],
      [['- ../a\n'], 'unsafe_path'],
      [['f 644 x\n'], 'invalid_request'],
      [['- a'], 'invalid_request'],
    ]
    for (const [wrong, code] of bad) {
      await expect(offer(session, summaryOf(base), summaryOf(head), wrong)).rejects.toMatchObject({
        code,
      })
    }
  })

  test('that are longer than the bound are rejected', async () => {
    const store = await openStore()
    await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    const many = Array.from({ length: 50_000 }, (_, index) =>
      formatRemoval(`${'x'.repeat(100)}${`${index}`.padStart(6, '0')}`),
    )
    await expect(offer(session, summaryOf(base), summaryOf(head), many)).rejects.toMatchObject({
      code: 'too_large',
      details: { limit: 'bytes of a list of entries', setting: null },
    })
  })

  test.each([
    ['a different tree', { ...summaryOf(head), treeDigest: digestOf('x') }],
    ['a different number of entries', { ...summaryOf(head), entryCount: 3 }],
    ['a different number of files', { ...summaryOf(head), fileCount: 1 }],
    ['a different size', { ...summaryOf(head), logicalBytes: 1 }],
  ])(
    'that yield something other than what was offered (%s) are not committed',
    async (_, announced) => {
      const store = await openStore()
      await uploadWhole(store, base)
      const session = await openSession(store, 'mine/app')
      expect(await offer(session, summaryOf(base), announced, lines)).toEqual([0])
      await send(session, changesOf(base, head).changed, [0], head)
      await expect(commit(session, announced)).rejects.toMatchObject({
        code: 'upload_incomplete',
        details: { what: 'manifest' },
      })
      // Sending the whole manifest corrects it.
      const whole = `trove manifest 1\n${entriesOf(head).map(formatEntry).join('')}`
      const { treeDigest, entryCount } = summaryOf(head)
      const job = { step: 'manifest', treeDigest, entryCount, encoding: 'gzip' } as const
      expect(decodeOrdinals(await session.step(job, gzipSync(whole)))).toEqual([])
      expect(await commit(session, summaryOf(head))).toMatchObject({ created: true })
    },
  )

  test('that put an entry below a file are not committed', async () => {
    const store = await openStore()
    await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    const below = { ...base, 'a/b': 'two' }
    await offer(session, summaryOf(base), summaryOf(below), changesOf(base, below).lines)
    await expect(commit(session, summaryOf(below))).rejects.toMatchObject({
      code: 'duplicate_path',
    })
  })

  test('whose files were not sent are incomplete', async () => {
    const store = await openStore()
    await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    await offer(session, summaryOf(base), summaryOf(head), lines)
    expect(decodeOrdinals(await session.step({ step: 'missing' }))).toEqual([0])
    await expect(commit(session, summaryOf(head))).rejects.toMatchObject({
      code: 'upload_incomplete',
      details: { what: 'blobs', missing: 1 },
    })
    await send(session, changesOf(base, head).changed, [0], head)
    expect(await commit(session, summaryOf(head))).toMatchObject({ created: true })
  })

  test('to a tree of which a file is found damaged are asked for again as a whole', async () => {
    const store = await openStore()
    await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    const missing = await offer(session, summaryOf(base), summaryOf(head), lines)
    await send(session, changesOf(base, head).changed, missing, head)
    const blob = await findBlob(join(store.directory, 'trove.db'), digestOf('two'))
    await store.metadata.markDamaged(blob!.copy!)
    await expect(commit(session, summaryOf(head))).rejects.toMatchObject({
      code: 'upload_incomplete',
      details: { what: 'manifest' },
    })
  })

  test('keep what the base has while they are in progress', async () => {
    const store = await openStore()
    const { id } = await uploadWhole(store, base)
    const session = await openSession(store, 'mine/app')
    const missing = await offer(session, summaryOf(base), summaryOf(head), lines)
    const now = 5_000_000_000_000
    await store.metadata.removeArtifacts([id], { state: 'deleted', reason: 'test', now })
    await releaseAll(store.metadata, now + 1)
    await sweepBlobs(store.metadata, now + 1)
    await send(session, changesOf(base, head).changed, missing, head)
    const { artifact } = await commit(session, summaryOf(head))
    expect(await storedOf(store, artifact.id)).toMatchObject([
      { path: 'a', digest: digestOf('other') },
      { path: 'b', digest: digestOf('two') },
    ])
  })
})
