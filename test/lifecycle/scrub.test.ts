/** Scrub over a real store on disk: what it finds, what it reports about artifacts, and how they
 *  heal. */
import { readFile, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { unzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { damagedPaths } from '../../src/egress/damage.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import { measureRepresentations } from '../../src/egress/measure.ts'
import { healBlobs } from '../../src/ingest/heal.ts'
import { type ScrubFinding, type ScrubReport, scrub } from '../../src/lifecycle/scrub/scrub.ts'
import type { HealingOutcome } from '../../src/metadata/metadata.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import { watchFileSystem } from '../packs/watched-file-system.ts'
import { type TestStore, openStore, readAll, zipOf } from '../ingest/open-store.ts'
import { day, scrubNow } from './collection.ts'
import { flipByte, packPaths, spoil } from './stored-bytes.ts'
import { stride } from '../turns.ts'

const files = {
  'a.txt': 'alpha '.repeat(500),
  'b.txt': 'beta '.repeat(500),
  'c.bin': 'gamma '.repeat(500),
}

async function openTree(): Promise<{ store: TestStore; id: number }> {
  const store = await openStore()
  return { store, id: await store.putTar('tree', files) }
}

/** The clock of the store stands still, but a pass must be later than the one before. */
function tickingPorts(store: TestStore): TestStore['ports'] {
  passes += 1
  const now = store.ports.now() + passes
  return { ...store.ports, now: () => now }
}
let passes = 0

async function scrubAll(store: TestStore): Promise<ScrubReport & { findings: ScrubFinding[] }> {
  const findings: ScrubFinding[] = []
  const onFinding = (finding: ScrubFinding): void => {
    findings.push(finding)
  }
  const report = await scrubNow(tickingPorts(store), { onFinding })
  return { ...report, findings }
}

/** As `scrubAll`, but stops before a pack is rewritten. */
async function findFirst(store: TestStore): Promise<{ findings: ScrubFinding[] }> {
  const findings: ScrubFinding[] = []
  const stop = new AbortController()
  const ports = { ...tickingPorts(store), signal: stop.signal }
  const onFinding = (finding: ScrubFinding): void => {
    findings.push(finding)
    if (finding.kind === 'framing') stop.abort()
  }
  await scrubNow(ports, { onFinding }).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error
  })
  return { findings }
}

const casOf = (store: TestStore): string => join(store.directory, 'cas')
const joiningOf = (content: string): Buffer => encodeJoiningSync(Buffer.from(content), 6)
const deflateOf = (content: string): Buffer => deflateRawSync(Buffer.from(content))

async function stateOf(store: TestStore, id: number): Promise<string> {
  return (await store.metadata.findArtifact(id))!.state
}

async function readFileOf(store: TestStore, id: number, path: string): Promise<string> {
  const artifact = (await store.metadata.findArtifact(id))!
  const found = (await store.metadata.findEntry(id, path))!
  if (found.entry.kind !== 'file') throw new Error(`${path} is no file`)
  return (await readAll(await representFile(store.reader, artifact, found.entry))).toString()
}

describe('a scrub', () => {
  test('of a sound store finds nothing, and reads every live copy', async () => {
    const { store } = await openTree()
    await store.putZip('stock', files)
    const report = await scrubAll(store)
    expect(report).toMatchObject({
      packs: 2,
      copies: 6,
      damagedCopies: 0,
      drifts: 0,
      damaged: [],
      findings: [],
    })
    expect(report.readBytes).toBeGreaterThan(0)
    expect(await store.metadata.listReadLeases(0, 1)).toEqual([])
  })

  test('of a store whose clock was set back skips nothing', async () => {
    const { store } = await openTree()
    const options = { olderThanMs: null, bytesPerSecond: null, rollups: false }
    const later = store.ports.now() + 365 * day
    expect(await scrub({ ...store.ports, now: () => later }, options)).toMatchObject({ packs: 1 })
    for (const _again of [1, 2]) expect(await scrubAll(store)).toMatchObject({ packs: 1 })
  })

  test('finds a flipped byte, and names the file; the others stay readable', async () => {
    const { store, id } = await openTree()
    await spoil(casOf(store), joiningOf(files['b.txt']))
    const report = await scrubAll(store)
    expect(report).toMatchObject({ damagedCopies: 1, foundCopies: 1, damagedArtifacts: 1 })
    expect(report.damaged).toEqual([
      { id, project: 'acme/app', run: 7, name: 'tree', damagedFiles: ['b.txt'] },
    ])
    expect(report.findings).toMatchObject([{ kind: 'copy', fault: 'its bytes have changed' }])
    expect(await readFileOf(store, id, 'a.txt')).toBe(files['a.txt'])
    await expect(readFileOf(store, id, 'b.txt')).rejects.toMatchObject({ code: 'blob_damaged' })
    await expect(zipOf(store, id)).rejects.toMatchObject({ code: 'blob_damaged' })
  })

  test('reports known damage again', async () => {
    const { store } = await openTree()
    await spoil(casOf(store), joiningOf(files['b.txt']))
    await scrubAll(store)
    const again = await scrubAll(store)
    expect(again).toMatchObject({ damagedCopies: 1, foundCopies: 0, damagedArtifacts: 1 })
  })

  test('restores a copy that is sound again', async () => {
    const { store, id } = await openTree()
    const [path] = await packPaths(casOf(store))
    const bytes = await readFile(path!)
    await spoil(casOf(store), joiningOf(files['b.txt']))
    await scrubAll(store)
    await writeFile(path!, bytes)
    expect(await scrubAll(store)).toMatchObject({ damagedCopies: 0, healedCopies: 1 })
    expect(await stateOf(store, id)).toBe('available')
    expect(await readFileOf(store, id, 'b.txt')).toBe(files['b.txt'])
  })

  test.each([
    ['gone', async (path: string) => await unlink(path), 3],
    ['cut short', async (path: string) => await truncate(path, 60), 3],
  ])('treats a pack that is %s as damage to its copies', async (_what, spoilPack, copies) => {
    const { store, id } = await openTree()
    const [path] = await packPaths(casOf(store))
    await spoilPack(path!)
    // Files that the store has open keep their bytes.
    await store.packs.remove(path!.slice(-36, -4))
    if (_what === 'cut short') await writeFile(path!, Buffer.alloc(60))
    expect(await scrubAll(store)).toMatchObject({ damagedCopies: copies, damagedArtifacts: 1 })
    expect(await damagedPaths(store.reader, (await store.metadata.findArtifact(id))!)).toEqual(
      Object.keys(files),
    )
  })

  test('rewrites a pack when only its framing is bad', async () => {
    const { store, id } = await openTree()
    const [path] = await packPaths(casOf(store))
    await flipByte(path!, 12)
    const report = await scrubAll(store)
    expect(report).toMatchObject({ damagedCopies: 0, rewrittenPacks: 1, damagedArtifacts: 0 })
    expect(report.findings).toMatchObject([{ kind: 'framing' }])
    expect(await readFileOf(store, id, 'a.txt')).toBe(files['a.txt'])
    expect(await scrubAll(store)).toMatchObject({ findings: [] })
  })

  test.each([
    ['of one copy', { x: 'some text, some text, some text' }],
    ['of copies that share a member', { x: 'some text, some text', y: 'other text', z: '' }],
  ])('notices any single flipped byte of a pack %s', async (_of, tree) => {
    const store = await openStore()
    await store.putTar('tree', tree)
    let [path] = await packPaths(casOf(store))
    const bytes = await readFile(path!)
    const kinds = new Set<string>()
    for (let at = 0; at < bytes.length; at += stride) {
      await flipByte(path!, at)
      // How a pack is rewritten does not depend on which byte of its framing is bad, so a few are
      // enough.
      const isWrittenAnew = at % 25 === 0
      const { findings } = isWrittenAnew ? await scrubAll(store) : await findFirst(store)
      expect(findings, `byte ${at} of ${bytes.length}`).toHaveLength(1)
      const [{ kind }] = findings as [ScrubFinding]
      kinds.add(kind)
      if (kind === 'copy' || !isWrittenAnew) await writeFile(path!, bytes)
      else {
        // The rewritten pack has the same bytes.
        await unlink(path!)
        ;[path] = await packPaths(casOf(store))
        expect(await readFile(path!)).toEqual(bytes)
      }
    }
    expect([...kinds].toSorted()).toEqual(['copy', 'framing'])
  })

  test('treats a pack that the medium cannot read as damaged, as a download does, and neither fails', async () => {
    const { store, id } = await openTree()
    const watched = watchFileSystem({ root: casOf(store) })
    const packs = await openLocalPackStore({ directory: casOf(store), fileSystem: watched })
    const bad = {
      ...store,
      packs,
      reader: { ...store.reader, packs },
      ports: { ...store.ports, packs },
    }
    watched.failAt(1, 'EIO', Number.POSITIVE_INFINITY)
    await expect(zipOf(bad, id)).rejects.toMatchObject({ code: 'blob_damaged' })
    expect(await scrubAll(bad)).toMatchObject({ damagedCopies: 3, damagedArtifacts: 1 })
    watched.failAt(1, 'EIO', 0)
    expect(await scrubAll(bad)).toMatchObject({
      damagedCopies: 0,
      healedCopies: 3,
      damagedArtifacts: 0,
    })
    await packs.close()
  })

  test('names a hundred damaged copies of a pack and counts the others', async () => {
    const store = await openStore()
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`${at}`, `file ${at}`]))
    await store.putTar('tree', many)
    const [path] = await packPaths(casOf(store))
    await truncate(path!, 0)
    const { findings, damagedCopies } = await scrubAll(store)
    expect(damagedCopies).toBe(120)
    expect(findings.filter(({ kind }) => kind === 'copy')).toHaveLength(100)
    const packName = path!.slice(-36, -4)
    expect(findings.slice(100)).toEqual([{ kind: 'copies', packName, count: 20 }])
  })

  test('continues after a pack that it may not read, finds further damage, and fails at the end', async () => {
    const store = await openStore()
    await store.putTar('kept from it', { x: 'not to be read' })
    const denied = (await packPaths(casOf(store)))[0]!.slice(-36, -4)
    const id = await store.putTar('damaged', files)
    await spoil(casOf(store), joiningOf(files['b.txt']))
    const read: TestStore['packs']['read'] = async (name, ...range) => {
      if (name === denied) throw Object.assign(new Error('EACCES: open'), { code: 'EACCES' })
      return await store.packs.read(name, ...range)
    }
    const findings: ScrubFinding[] = []
    const onFinding = (finding: ScrubFinding): void => void findings.push(finding)
    const ports = { ...tickingPorts(store), packs: { ...store.packs, read } }
    await expect(scrubNow(ports, { onFinding })).rejects.toThrow('EACCES')
    expect(findings).toMatchObject([
      { kind: 'unjudged', packName: denied, fault: 'EACCES: open' },
      { kind: 'copy', fault: 'its bytes have changed' },
    ])
    expect(await stateOf(store, id)).toBe('damaged')
  })

  test('resumes where it stopped, and skips what was verified since', async () => {
    const store = await openStore()
    await store.putTar('one', files)
    await store.putZip('two', files)
    const due = { olderThanMs: 1000, bytesPerSecond: null, rollups: false }
    const stop = new AbortController()
    const later = { ...store.ports, now: () => Date.now() + 10_000 }
    const stopped = scrub(
      { ...later, signal: stop.signal },
      { ...due, onProgress: () => stop.abort() },
    )
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' })
    expect(await scrub(later, due)).toMatchObject({ packs: 1 })
    expect(await scrub(later, due)).toMatchObject({ packs: 0 })
  })

  test('corrects a rollup that has drifted, and names it', async () => {
    const { store } = await openTree()
    const whole = await store.metadata.figures()
    const database = new SqliteDatabase(join(store.directory, 'trove.db'))
    database.exec('UPDATE totals SET unique_bytes = unique_bytes + 5 WHERE scope = 0')
    database.exec('UPDATE packs SET live_count = live_count - 1')
    database.close()
    const { findings, drifts } = await scrubAll(store)
    expect(drifts).toBe(2)
    expect(findings).toContainEqual({
      kind: 'drift',
      what: 'unique_bytes of the store',
      stored: whole.uniqueBytes + 5,
      counted: whole.uniqueBytes,
    })
    expect(await store.metadata.figures()).toEqual(whole)
    expect(await scrubAll(store)).toMatchObject({ drifts: 0 })
  })
})

describe('damage heals', () => {
  test('after an empty file, which begins at the same offset as the healed one', async () => {
    const store = await openStore()
    const id = await store.putTar('first', { 'b.txt': files['b.txt'] })
    await spoil(casOf(store), joiningOf(files['b.txt']))
    expect(await scrubAll(store)).toMatchObject({ damagedCopies: 1 })
    await store.putTar('second', { 'a.txt': '', 'b.txt': files['b.txt'] })
    expect(await scrubAll(store)).toMatchObject({ copies: 2, damagedCopies: 0 })
    expect(await stateOf(store, id)).toBe('available')
    const [pack] = await store.metadata.listWastefulPacks('tiny', { after: 0, limit: 1 })
    const all = await store.metadata.readPackCopies(pack!.id, { after: null, limit: 10 })
    expect(all.map(({ lengthBytes }) => lengthBytes > 0)).toEqual([false, true])
    const [empty, full] = all
    expect(await store.metadata.readPackCopies(pack!.id, { after: empty!, limit: 1 })).toEqual([
      full,
    ])
  })

  test('in place by the same upload, whose zips keep bytes and ETag', async () => {
    const { store, id } = await openTree()
    const before = await zipOf(store, id)
    const { etag } = await representZip(store.reader, (await store.metadata.findArtifact(id))!)
    await spoil(casOf(store), joiningOf(files['b.txt']))
    await scrubAll(store)
    await store.putTar('again', files)
    expect(await stateOf(store, id)).toBe('available')
    expect(await zipOf(store, id)).toEqual(before)
    const after = await representZip(store.reader, (await store.metadata.findArtifact(id))!)
    expect(after.etag).toBe(etag)
    expect(await scrubAll(store)).toMatchObject({
      damagedCopies: 0,
      damagedArtifacts: 0,
      drifts: 0,
    })
  })

  test('of a tree by a stock zip: another stream, hence a new version with its own length', async () => {
    const { store, id } = await openTree()
    const before = await representZip(store.reader, (await store.metadata.findArtifact(id))!)
    await spoil(casOf(store), joiningOf(files['b.txt']))
    await scrubAll(store)
    await store.putZip('stock', files)
    const artifact = (await store.metadata.findArtifact(id))!
    expect(artifact).toMatchObject({ state: 'available', version: 2 })
    const after = await representZip(store.reader, artifact)
    expect(after.etag).not.toBe(before.etag)
    const { zipPages } = await measureRepresentations(store.metadata, artifact.manifestId)
    expect(await store.metadata.readZipPages(id, 2)).toEqual(zipPages)
    const zip = await readAll(after)
    expect(zip.length).toBe(after.totalBytes)
    expect(unzipped(zip)).toEqual(files)
    const tarGz = await representTarGz(store.reader, artifact)
    expect((await readAll(tarGz)).length).toBe(tarGz.totalBytes)
    expect(await scrubAll(store)).toMatchObject({ damagedArtifacts: 0, drifts: 0 })
  })

  test('of many files of a tree, each measured once', async () => {
    const store = await openStore()
    const { metadata } = store
    const many = Object.fromEntries(
      Array.from({ length: 8 }, (_, index) => [`${index}`, `${index} `.repeat(500)]),
    )
    const id = await store.putTar('tree', many)
    for (const content of Object.values(many)) await spoil(casOf(store), joiningOf(content))
    await scrubAll(store)
    const outcomes: HealingOutcome[] = []
    store.ports.metadata = {
      ...metadata,
      healBlob: async (...measured) => {
        const outcome = await metadata.healBlob(...measured)
        outcomes.push(outcome)
        return outcome
      },
    }
    await store.putZip('stock', many)
    expect(outcomes).toEqual(Array(8).fill('healed'))
    expect(await metadata.findArtifact(id)).toMatchObject({ state: 'available', version: 9 })
    expect(unzipped(await zipOf(store, id))).toEqual(many)
  })

  test('of two files of a tree at once, with the length that results from both', async () => {
    const store = await openStore()
    const { metadata } = store
    const id = await store.putTar('tree', files)
    for (const path of ['a.txt', 'b.txt'] as const)
      await spoil(casOf(store), joiningOf(files[path]))
    await scrubAll(store)
    // This upload ends once its streams are stored.
    store.ports.metadata = { ...metadata, healBlob: async () => 'busy' }
    await expect(store.putZip('stock', files)).rejects.toMatchObject({ code: 'busy' })
    const { next: after } = await metadata.listHealings({ limit: 1 })
    const later = async () => await metadata.listHealings({ limit: 2, after })
    let hasBegun = false
    const healed = await healBlobs({
      ...metadata,
      healBlob: async (...measured) => {
        // Another thread heals the other file between measuring and healing.
        if (!hasBegun) expect(await healBlobs({ ...metadata, listHealings: later })).toBe(1)
        hasBegun = true
        return await metadata.healBlob(...measured)
      },
    })
    expect(healed).toBe(1)
    const artifact = (await metadata.findArtifact(id))!
    expect(artifact).toMatchObject({ state: 'available', version: 3 })
    expect(unzipped(await zipOf(store, id))).toEqual(files)
  })

  test('by the next upload of the content, when the upload that brought the stream could not; others do not look', async () => {
    const { store, id } = await openTree()
    const { metadata } = store
    await spoil(casOf(store), joiningOf(files['b.txt']))
    await scrubAll(store)
    store.ports.metadata = { ...metadata, healBlob: async () => 'busy' }
    await expect(store.putZip('stock', files)).rejects.toMatchObject({ code: 'busy' })
    let searches = 0
    store.ports.metadata = {
      ...metadata,
      listHealings: async (page) => {
        searches += 1
        return await metadata.listHealings(page)
      },
    }
    await store.putTar('other', { 'c.txt': 'something else' })
    expect([searches, await stateOf(store, id)]).toEqual([0, 'damaged'])
    await store.putZip('stock', files)
    expect(await stateOf(store, id)).toBe('available')
    expect(searches).toBeGreaterThan(0)
  })

  test('of the files of an exact zip by a tar, of the zip itself only by its own streams', async () => {
    const store = await openStore()
    const id = await store.putZip('stock', files)
    const before = await zipOf(store, id)
    await spoil(casOf(store), deflateOf(files['b.txt']))
    await scrubAll(store)
    await store.putTar('tree', files)
    expect(await readFileOf(store, id, 'b.txt')).toBe(files['b.txt'])
    const artifact = (await store.metadata.findArtifact(id))!
    expect(artifact.state).toBe('damaged')
    expect(await damagedPaths(store.reader, artifact)).toEqual(['b.txt'])
    await expect(zipOf(store, id)).rejects.toMatchObject({ code: 'blob_damaged' })

    await store.putZip('stock-again', files)
    expect(await stateOf(store, id)).toBe('available')
    expect(await zipOf(store, id)).toEqual(before)
    expect(await scrubAll(store)).toMatchObject({ damagedArtifacts: 0, drifts: 0 })
  })

  test.each([
    [
      'a chunk deflated at another level',
      async (store: TestStore, content: string) => {
        store.ports.settings.compressionLevel = 1
        await store.putTar('again', { large: content })
      },
    ],
    [
      'a stock zip',
      async (store: TestStore, content: string) => {
        await store.putZip('again', { large: content })
      },
    ],
  ])('of a file in chunks, by %s', async (_how, putAgain) => {
    const { store } = await openTree()
    await store.putZip('stock', files)
    const content = randomText(700_000)
    const id = await store.putTar('large', { large: content })
    const { entry } = (await store.metadata.findEntry(id, 'large'))!
    if (entry.kind !== 'file') throw new Error('no file')
    const [, part] = await store.metadata.readParts(entry.blob.blobId, 0, 2)
    const path = (await packPaths(casOf(store))).find((each) => each.includes(part!.copy.packName))
    await flipByte(path!, part!.copy.offset + 100)
    expect(await scrubAll(store)).toMatchObject({ damagedCopies: 1, damagedArtifacts: 1 })

    await putAgain(store, content)
    const artifact = (await store.metadata.findArtifact(id))!
    expect(artifact).toMatchObject({ state: 'available', version: 2 })
    expect(await readFileOf(store, id, 'large')).toBe(content)
    expect(unzipped(await zipOf(store, id))).toEqual({ large: content })
    const tarGz = await representTarGz(store.reader, artifact)
    expect((await readAll(tarGz)).length).toBe(tarGz.totalBytes)
    expect(await scrubAll(store)).toMatchObject({ damagedArtifacts: 0, drifts: 0 })
  })

  test('by a stream that the store already has', async () => {
    const { store, id } = await openTree()
    await store.putZip('stock', files)
    await spoil(casOf(store), joiningOf(files['b.txt']))
    expect(await scrubAll(store)).toMatchObject({
      foundCopies: 1,
      healedBlobs: 1,
      damagedArtifacts: 0,
    })
    expect(await readFileOf(store, id, 'b.txt')).toBe(files['b.txt'])
  })
})

function unzipped(zip: Buffer): Record<string, string> {
  const entries = Object.entries(unzipSync(zip))
  return Object.fromEntries(entries.map(([name, bytes]) => [name, Buffer.from(bytes).toString()]))
}

/** Text that deflates, but not to nothing. */
function randomText(lengthBytes: number): string {
  let state = 7
  let text = ''
  while (text.length < lengthBytes) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    text += `${state.toString(36)} `
  }
  return text.slice(0, lengthBytes)
}
