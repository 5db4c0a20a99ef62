import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import { type Entry, comparePaths, parseEntryPath } from '../../../src/core/manifest/entry.ts'
import type { Artifact, EntryPage, SkeletonPage } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import {
  addContents,
  copyOf,
  fileEntry,
  newArtifact,
  openSession,
  packOf,
  seedArtifact,
  seedRun,
  seedTree,
  stageEntries,
} from '../seed.ts'

export function readingContract(store: Store): void {
  /** Commits these entries with times; `contents` are the contents of the files. */
  const commitEntries = async (
    entries: Entry[],
    contents: string[],
    times?: (number | null)[],
  ): Promise<Artifact> =>
    await seedTree(store(), await seedRun(store()), { entries, contents, times })
  const readAll = async (artifactId: number): Promise<EntryPage[]> => {
    const pages: EntryPage[] = []
    for (;;) {
      const page = await store().readEntryPage(artifactId, pages.length)
      if (!page) return pages
      pages.push(page)
    }
  }

  test('entries of every kind read back as staged, files with their places', async () => {
    const symlink = (path: string, target: string): Entry => {
      return { kind: 'symlink', path: parseEntryPath(path), mode: 0o777, target }
    }
    const directory = (path: string): Entry => {
      return { kind: 'directory', path: parseEntryPath(path), mode: 0o700 }
    }
    const entries = [
      directory('bin'),
      fileEntry('bin/run', 'one', 0o755),
      symlink('bin/run-latest', 'run'),
      fileEntry('ünï/code', 'two', 0o640),
      symlink('ünï/link', '/nowhere/ünï'),
      fileEntry('ünï/same', 'one', 0),
      fileEntry('\u{1f600}', '', 0o644),
    ].toSorted((a, b) => comparePaths(a.path, b.path))
    const times = entries.map((_, index) => (index % 2 === 0 ? index * 100_000 : null))
    const artifact = await commitEntries(entries, ['one', 'two', ''], times)
    const page = await store().readEntryPage(artifact.id, 0)
    expect(page?.firstOrdinal).toBe(0)
    expect(page?.modifiedAt).toEqual(times)
    const read = page!.entries.map((entry) => {
      if (entry.kind !== 'file') return entry
      const { blob, ...rest } = entry
      expect(blob).toMatchObject({ digest: entry.digest, sizeBytes: entry.sizeBytes })
      return rest
    })
    expect(read).toEqual(entries)
    for (const [index, entry] of page!.entries.entries()) {
      const found = await store().findEntry(artifact.id, entry.path)
      expect(found).toEqual({ entry, modifiedAt: times[index] })
    }
  })

  test('a long manifest is read page by page', async () => {
    const entries = Array.from({ length: 1_300 }, (_, index) =>
      fileEntry(`file-${String(index).padStart(5, '0')}`, `content ${index % 700}`),
    )
    const contents = Array.from({ length: 700 }, (_, index) => `content ${index}`)
    const times = entries.map((_, index) => 1_700_000_000 + index)
    const artifact = await commitEntries(entries, contents, times)
    const pages = await readAll(artifact.id)
    expect(pages.map((page) => page.entries.length)).toEqual([512, 512, 276])
    expect(pages.map((page) => page.firstOrdinal)).toEqual([0, 512, 1_024])
    expect(pages.flatMap((page) => page.entries.map((entry) => entry.path))).toEqual(
      entries.map((entry) => entry.path),
    )
    expect(pages.flatMap((page) => page.modifiedAt)).toEqual(times)
    expect(await store().readEntryPage(artifact.id, 4)).toBeUndefined()
  })

  test('individual entries can be read, wherever they are', async () => {
    const entries = Array.from({ length: 600 }, (_, index) =>
      fileEntry(`file-${String(index).padStart(5, '0')}`, `content ${index % 7}`),
    )
    const contents = Array.from({ length: 7 }, (_, index) => `content ${index}`)
    const artifact = await commitEntries(entries, contents)
    const all = (await readAll(artifact.id)).flatMap((page) => page.entries)
    const ordinals = [0, 7, 511, 512, 599, 600, 9_000]
    const expected = ordinals.map((ordinal) => all[ordinal])
    expect(await store().readEntries(artifact.id, ordinals)).toEqual(expected)
    expect(await store().readEntries(artifact.id, [600])).toEqual([undefined])
    expect(await store().readEntries(artifact.id, [])).toEqual([])
  })

  test('entries in many pages are returned in several calls', async () => {
    const entries = Array.from({ length: 6_000 }, (_, index) =>
      fileEntry(`file-${String(index).padStart(5, '0')}`, 'content'),
    )
    const artifact = await commitEntries(entries, ['content'])
    const asked = [...Array.from({ length: 60 }, (_, index) => index * 100), 6_000]
    const found: (string | undefined)[] = []
    let calls = 0
    while (found.length < asked.length) {
      const stretch = await store().readEntries(artifact.id, asked.slice(found.length))
      expect(stretch.length).toBeGreaterThan(0)
      found.push(...stretch.map((entry) => entry?.path))
      calls += 1
    }
    expect(found).toEqual(asked.map((ordinal) => entries[ordinal]?.path))
    expect(calls).toBeGreaterThan(1)
  })

  test('an uncommitted manifest is read without times', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    await addContents(store(), session, ['one'])
    const entries = [fileEntry('a', 'one')]
    const { manifestId } = await stageEntries(store(), session, entries, [5])
    const page = await store().readStagedEntryPage(manifestId, 0)
    expect(page).toMatchObject({ firstOrdinal: 0, modifiedAt: [null] })
    expect(page?.entries[0]).toMatchObject({ path: 'a', blob: { digest: digestOf('one') } })
    expect(await store().readStagedEntryPage(manifestId, 1)).toBeUndefined()
    expect(await store().readStagedEntryPage(manifestId + 9, 0)).toBeUndefined()
    await store().commitArtifact(session, newArtifact(run, manifestId))
    expect(await store().readStagedEntryPage(manifestId, 0)).toEqual(page)
  })

  test('any path is found on its page, or reported as absent', async () => {
    const entries = Array.from({ length: 1_100 }, (_, index) =>
      fileEntry(`d${String(index * 3).padStart(4, '0')}/é`, 'x'),
    )
    const artifact = await commitEntries(entries, ['x'])
    const paths = entries.map((entry) => entry.path)
    const numbered = fc.nat(3_400).map((number) => `d${String(number).padStart(4, '0')}/é`)
    const edges = [paths[0]!, paths[511]!, paths[512]!, paths[1_099]!, 'a', 'z', `${paths[511]}!`]
    const anyPath = fc.oneof(numbered, fc.constantFrom(...edges), fc.string())
    await fc.assert(
      fc.asyncProperty(anyPath, async (path) => {
        const first = paths.findIndex((other) => comparePaths(other, path) >= 0)
        const page = first < 0 ? undefined : Math.floor(first / 512)
        expect(await store().findEntryPage(artifact.id, path)).toBe(page)
        const found = await store().findEntry(artifact.id, path)
        expect(found?.entry.path).toBe(paths.find((other) => other === path))
      }),
      { numRuns: 60 },
    )
  })

  test('nothing is found in an empty artifact', async () => {
    const { id } = await commitEntries([], [])
    expect(await store().findEntry(id, 'a')).toBeUndefined()
    expect(await store().findEntryPage(id, 'a')).toBeUndefined()
  })

  test('an unknown artifact is an error, not an empty one', async () => {
    const unknown = { code: 'artifact_not_found' }
    await expect(store().readEntryPage(9, 0)).rejects.toMatchObject(unknown)
    await expect(store().readEntries(9, [0])).rejects.toMatchObject(unknown)
    await expect(store().findEntry(9, 'a')).rejects.toMatchObject(unknown)
    await expect(store().findEntryPage(9, 'a')).rejects.toMatchObject(unknown)
    await expect(store().readSkeletonPage(9, 0)).rejects.toMatchObject(unknown)
    await expect(store().findSkeletonPage(9, 'local', 0)).rejects.toMatchObject(unknown)
  })

  test.each([
    ['deleted', 'artifact_deleted'],
    ['expired', 'artifact_expired'],
  ] as const)('a reader of an artifact that is %s meanwhile fails loudly', async (state, code) => {
    const { id } = await seedArtifact(store(), await seedRun(store()), { a: 'one' })
    await store().removeArtifacts([id], { state, reason: 'test', now: 2_500 })
    const gone = { code, details: { artifactId: id, reason: 'test' } }
    await expect(store().readEntryPage(id, 0)).rejects.toMatchObject(gone)
    await expect(store().readEntries(id, [0])).rejects.toMatchObject(gone)
    await expect(store().findEntry(id, 'a')).rejects.toMatchObject(gone)
    await expect(store().findEntryPage(id, 'a')).rejects.toMatchObject(gone)
    await expect(store().readSkeletonPage(id, 0)).rejects.toMatchObject(gone)
    expect(await store().readEntryPage(id, 1)).toBeUndefined()
  })

  test('streams are returned in the order asked, as often as asked', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const { pack, copies } = packOf([copyOf('one', { codec: 'deflate' }), copyOf('two')])
    await store().addPack(session, pack, copies)
    const known = await store().claimStreams(
      session,
      copies.map((copy) => copy.streamDigest),
    )
    const idOf = (content: string): number =>
      known.find((stream) => stream.blob.digest === digestOf(content))!.streamId
    const [one, two] = [idOf('one'), idOf('two')]
    const placed = await store().readStreams([two, one, two])
    expect(placed.map((stream) => stream.streamId)).toEqual([two, one, two])
    expect(placed[1]).toMatchObject({
      sizeBytes: 3,
      crc32: copyOf('one').blob.crc32,
      blobDigest: digestOf('one'),
      copy: { streamId: one, codec: 'deflate', packName: pack.name, offset: copies[0]!.offset },
    })
    expect(await store().readStreams([])).toEqual([])
    await expect(store().readStreams([one, 999])).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a skeleton is read by page, and found by offset on either side', async () => {
    const run = await seedRun(store())
    const session = await openSession(store(), run)
    const pages: SkeletonPage[] = [0, 1, 2, 3].map((page) => ({
      page,
      // The third page begins where the second does: its members are empty.
      localOffset: [0, 1_000, 1_000, 5_000_000_000][page]!,
      centralOffset: [0, 90, 180, 180][page]!,
      bytes: Buffer.from(`page ${page}`),
    }))
    for (const page of pages) await store().stageSkeletonPage(session, page, [])
    const { manifestId } = await stageEntries(store(), session, [])
    const wanted = newArtifact(run, manifestId, { kind: 'exact' })
    const { id } = (await store().commitArtifact(session, wanted)).artifact
    for (const page of pages) {
      const read = await store().readSkeletonPage(id, page.page)
      expect({ ...read, bytes: Buffer.from(read!.bytes) }).toEqual(page)
    }
    expect(await store().readSkeletonPage(id, 4)).toBeUndefined()
    const find = (side: 'local' | 'central', offset: number): Promise<number | undefined> =>
      store().findSkeletonPage(id, side, offset)
    expect(await find('local', 0)).toBe(0)
    expect(await find('local', 999)).toBe(0)
    expect(await find('local', 1_000)).toBe(2)
    expect(await find('local', 6_000_000_000)).toBe(3)
    expect(await find('central', 89)).toBe(0)
    expect(await find('central', 90)).toBe(1)
    expect(await find('central', 500)).toBe(3)
  })

  test('an artifact without a skeleton has no skeleton pages', async () => {
    const { id } = await seedArtifact(store(), await seedRun(store()), { a: 'one' })
    expect(await store().readSkeletonPage(id, 0)).toBeUndefined()
    expect(await store().findSkeletonPage(id, 'local', 0)).toBeUndefined()
  })

  test('a skeleton cannot name streams that are not stored', async () => {
    const session = await openSession(store(), await seedRun(store()))
    const page = { page: 0, localOffset: 0, centralOffset: 0, bytes: Buffer.from('p') }
    await expect(store().stageSkeletonPage(session, page, [77])).rejects.toMatchObject({
      code: 'not_found',
    })
  })
}
