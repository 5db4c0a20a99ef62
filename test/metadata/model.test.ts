/** Uploads, removals, restorations and sweeps in any order, against a model that knows only what
 *  must be visible.
 *
 *  After each step every live artifact reads back whole; at the end everything is removed, and
 *  nothing is left. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import type { PageEntry, Metadata, Run } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import {
  addContents,
  copyOf,
  entriesOf,
  newArtifact,
  openSession,
  seedRun,
  stageEntries,
} from './seed.ts'
import { claimPacks, releaseAll, sweepBlobs } from './sweep-all.ts'
import { temporaryDatabases } from './temporary-database.ts'
import { turns } from '../turns.ts'

const { newDatabase } = temporaryDatabases()

/** Contents of files; those of several letters are composites of one-letter parts. */
const contents = ['a', 'b', 'c', 'd', 'ab', 'bcd', 'dd'] as const
type Tree = Record<string, string>

type Step =
  | { do: 'begin'; slot: number; tree: Tree; base: string | null }
  | { do: 'stage'; slot: number }
  | { do: 'commit'; slot: number; name: string }
  | { do: 'abort'; slot: number }
  | { do: 'remove'; name: string }
  | { do: 'delete'; name: string }
  | { do: 'restore'; name: string }
  | { do: 'release' }
  | { do: 'sweep' }
  | { do: 'claim' }
  | { do: 'finishSweep' }
  | { do: 'reopen' }

const slot = fc.nat(2)
const name = fc.constantFrom('one', 'two', 'three')
const tree = fc.dictionary(fc.constantFrom('f1', 'f2', 'f3'), fc.constantFrom(...contents), {
  minKeys: 1,
})
const begin = fc.record({
  do: fc.constant('begin' as const),
  slot,
  tree,
  base: fc.option(name),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: begin },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('stage' as const), slot }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('commit' as const), slot, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), slot }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restore' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('claim' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finishSweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

interface Upload {
  session: string
  tree: Tree
  manifestId: number | undefined
  /** Entries taken from the tree of an artifact, which the upload has leased. */
  held: Map<string, PageEntry>
}

interface Artifact {
  id: number
  tree: Tree
  treeDigest: Digest
}

const now = 2_500
const undoEnds = 3_500

/** What must be visible: live artifacts by name, and what can be restored. All other state only
 *  serves to get there. */
class Model {
  readonly live = new Map<string, Artifact>()
  readonly deleted = new Set<Artifact & { name: string }>()
  readonly uploads = new Map<number, Upload>()
  /** Blobs claimed for deletion and not removed yet. */
  condemned: number[] = []
  readonly path: string
  metadata: Metadata
  run!: Run

  constructor(path: string) {
    this.path = path
    this.metadata = openSqliteMetadata({ path })
  }

  async apply(action: Step): Promise<void> {
    switch (action.do) {
      case 'begin':
        return await this.begin(action.slot, action.tree, action.base)
      case 'stage':
        return await this.stage(action.slot)
      case 'commit':
        return await this.commit(action.slot, action.name)
      case 'abort':
        return await this.abort(action.slot)
      case 'remove':
        return await this.remove(action.name)
      case 'delete':
        return await this.delete(action.name)
      case 'restore':
        return await this.restore(action.name)
      case 'release':
        await releaseAll(this.metadata, undoEnds)
        while (await this.metadata.clearRemoved(100)) continue
        this.deleted.clear()
        return
      case 'sweep':
        await sweepBlobs(this.metadata)
        return await this.dropPacks()
      case 'claim':
        this.condemned = await this.metadata.claimDeadBlobs(3_000, 3)
        return
      case 'finishSweep':
        await this.metadata.removeDeadBlobs(this.condemned)
        return await this.dropPacks()
      case 'reopen':
        await this.metadata.close()
        this.metadata = openSqliteMetadata({ path: this.path })
        return
    }
  }

  /** Sends what is missing, as an ingest does: chunks first, then composites. Does not ask for
   *  what the base has. */
  async begin(number: number, files: Tree, base: string | null): Promise<void> {
    await this.abort(number)
    const session = await openSession(this.metadata, this.run)
    const held = await this.leaseSame(session, files, base)
    const others = Object.entries(files).filter(([path]) => !held.has(path))
    for (const content of new Set(others.map(([, content]) => content))) {
      const known = await this.metadata.claimBlobs(session, [digestOf(content)])
      if (known.length > 0) continue
      const parts = content.split('')
      await addContents(this.metadata, session, parts)
      if (parts.length === 1) continue
      const { digest, sizeBytes, crc32 } = copyOf(content).blob
      const digests = parts.map((part) => digestOf(part))
      await this.metadata.addComposite(session, { digest, sizeBytes, crc32, parts: digests })
    }
    this.uploads.set(number, { session, tree: files, manifestId: undefined, held })
  }

  /** Leases the entries of a live artifact that equal the files; returns them. */
  private async leaseSame(
    session: string,
    files: Tree,
    base: string | null,
  ): Promise<Map<string, PageEntry>> {
    const artifact = base === null ? undefined : this.live.get(base)
    if (artifact === undefined) return new Map()
    const { treeDigest, tree: older } = artifact
    const manifestId = (await this.metadata.leaseKnownTree(session, treeDigest, 2_000))!
    const page = (await this.metadata.readLeasedPage(session, manifestId, 0))!
    return new Map(
      page.flatMap((entry) =>
        older[entry.path] === files[entry.path] ? [[entry.path, entry] as const] : [],
      ),
    )
  }

  async stage(number: number): Promise<void> {
    const upload = this.uploads.get(number)
    if (!upload || upload.manifestId !== undefined) return
    const entries = entriesOf(upload.tree)
    const { session, held } = upload
    const staged = await stageEntries(this.metadata, session, entries, undefined, held)
    upload.manifestId = staged.manifestId
  }

  async commit(number: number, artifactName: string): Promise<void> {
    await this.stage(number)
    const upload = this.uploads.get(number)
    if (!upload) return
    this.uploads.delete(number)
    const { artifact } = await this.metadata.commitArtifact(
      upload.session,
      newArtifact(this.run, upload.manifestId!, { name: artifactName, onConflict: 'replace' }),
    )
    const { id, treeDigest } = artifact
    this.live.set(artifactName, { id, treeDigest, tree: upload.tree })
  }

  async abort(number: number): Promise<void> {
    const upload = this.uploads.get(number)
    if (upload) await this.metadata.abortSession(upload.session)
    this.uploads.delete(number)
  }

  async remove(artifactName: string): Promise<void> {
    const artifact = this.live.get(artifactName)
    if (!artifact) return
    const removal = { state: 'deleted', reason: 'test', now } as const
    expect(await this.metadata.removeArtifacts([artifact.id], removal)).toEqual([artifact.id])
    this.live.delete(artifactName)
  }

  /** In a way that can be undone. */
  async delete(artifactName: string): Promise<void> {
    const artifact = this.live.get(artifactName)
    if (!artifact) return
    const removal = { state: 'deleted', reason: 'test', now, undoMs: undoEnds - now } as const
    await this.metadata.removeArtifacts([artifact.id], removal)
    this.live.delete(artifactName)
    this.deleted.add({ ...artifact, name: artifactName })
  }

  async restore(artifactName: string): Promise<void> {
    const artifact = [...this.deleted].find(({ name: each }) => each === artifactName)
    if (!artifact) return
    const restoring = this.metadata.restoreArtifact(artifact.id, now)
    if (this.live.has(artifactName)) {
      await expect(restoring).rejects.toMatchObject({ code: 'name_taken' })
      return
    }
    await restoring
    this.deleted.delete(artifact)
    this.live.set(artifactName, artifact)
  }

  async dropPacks(): Promise<void> {
    for (const pack of await claimPacks(this.metadata)) await this.metadata.removePackRow(pack)
  }

  /** Compares everything visible. */
  async check(): Promise<void> {
    const page = { limit: 10, offset: 0, sort: 'oldest', now: 3_000 } as const
    const listed = await this.metadata.listArtifacts({}, page)
    const byName = (a: [string, number], b: [string, number]): number => a[0].localeCompare(b[0])
    expect(
      listed.artifacts.map(({ name: n, id }): [string, number] => [n, id]).toSorted(byName),
    ).toEqual([...this.live].map(([n, { id }]): [string, number] => [n, id]).toSorted(byName))
    for (const artifact of this.live.values()) await this.checkArtifact(artifact)
    const filesOf = (artifacts: Iterable<Artifact>): string[] =>
      [...artifacts].flatMap((artifact) => Object.values(artifact.tree))
    const files = filesOf(this.live.values())
    const deleted = filesOf(this.deleted)
    const bytesOf = (list: Iterable<string>): number => [...list].join('').length
    const figures = await this.metadata.figures()
    expect(figures).toMatchObject({
      artifacts: this.live.size,
      files: files.length,
      logicalBytes: bytesOf(files),
      removedBytes: bytesOf(deleted),
    })
    expect(await this.metadata.reconcileRollups()).toEqual([])
    expect(figures.liveBytes).toBeLessThanOrEqual(figures.storedBytes)
    // Blobs that an upload in progress added first may be shared by artifacts committed later.
    if (this.uploads.size === 0)
      expect(figures.uniqueBytes).toBe(bytesOf(new Set([...files, ...deleted])))
  }

  private async checkArtifact({ id, tree: files }: { id: number; tree: Tree }): Promise<void> {
    const page = await this.metadata.readEntryPage(id, 0)
    const read = page!.entries.map((entry) => [entry.path, entry.kind === 'file' && entry.digest])
    const wanted = entriesOf(files).map((entry) => [
      entry.path,
      entry.kind === 'file' && entry.digest,
    ])
    expect(read).toEqual(wanted)
    for (const entry of page!.entries) {
      if (entry.kind !== 'file') continue
      const { blobId, copy, partCount } = entry.blob
      const parts = await this.metadata.readParts(blobId, 0, 10)
      expect(parts).toHaveLength(partCount)
      for (const { packName, damaged } of copy ? [copy] : parts.map((part) => part.copy)) {
        expect(damaged).toBe(false)
        expect(await this.metadata.hasPack(packName)).toBe(true)
      }
    }
  }

  /** Removes everything; whatever is left has leaked. */
  async finish(): Promise<void> {
    for (const number of this.uploads.keys()) await this.abort(number)
    for (const artifactName of this.live.keys()) await this.remove(artifactName)
    await releaseAll(this.metadata, undoEnds)
    await sweepBlobs(this.metadata)
    await this.dropPacks()
    const figures = await this.metadata.figures()
    expect(Object.entries(figures).filter(([, value]) => value !== 0)).toEqual([])
    await this.metadata.close()
  }
}

test('whatever the order of uploads, removals, restorations and sweeps, live artifacts are whole and nothing leaks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const model = new Model(await newDatabase())
      model.run = await seedRun(model.metadata)
      for (const action of steps) {
        await model.apply(action)
        await model.check()
      }
      await model.finish()
    }),
    { numRuns: turns(25) },
  )
})
