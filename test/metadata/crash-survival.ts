/** Kills a process in the middle of its work on a database, and checks the file afterwards. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import SqliteDatabase from 'better-sqlite3'
import { expect } from 'vitest'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { claimPacks, sweepBlobs } from './sweep-all.ts'

const child = fileURLToPath(new URL('crash-child.mjs', import.meta.url))

interface Acknowledged {
  /** Paths by artifact id, of artifacts whose commit was acknowledged. */
  committed: Map<number, string[]>
  removed: Set<number>
  /** Number of statements of a run that was not killed. */
  statements: number | undefined
  /** The numbers of those that write the audit log. */
  acts: number[]
}

/** Runs the child until statement `killAt`, counted from its beginning or from where it sets a
 *  branch late; with Infinity to its end. */
export function workAndDie(path: string, killAt: number, from: '' | 'late' = ''): Acknowledged {
  const { stdout, stderr, signal, status } = spawnSync(
    process.execPath,
    [child, path, String(killAt), from],
    { encoding: 'utf8' },
  )
  expect({ stderr, ended: signal ?? status }).toEqual({
    stderr: '',
    ended: killAt === Infinity ? 0 : 'SIGKILL',
  })
  const acknowledged: Acknowledged = {
    committed: new Map(),
    removed: new Set(),
    statements: undefined,
    acts: [],
  }
  for (const line of stdout.split('\n').filter((text) => text !== '')) {
    const event = JSON.parse(line) as {
      committed?: number
      paths?: string[]
      removed?: number
      statements?: number
      acts?: number[]
    }
    if (event.committed !== undefined) acknowledged.committed.set(event.committed, event.paths!)
    if (event.removed !== undefined) acknowledged.removed.add(event.removed)
    if (event.statements !== undefined) acknowledged.statements = event.statements
    if (event.acts !== undefined) acknowledged.acts = event.acts
  }
  return acknowledged
}

/** Reopens the database as a restarted server does, and checks it against what was acknowledged. */
export async function checkSurvival(path: string, acknowledged: Acknowledged): Promise<void> {
  const metadata = openSqliteMetadata({ path })
  await metadata.setKeepLatest([], 2_500)
  await checkArtifacts(metadata, acknowledged)
  await checkAudit(metadata)
  await recover(metadata)
  await checkArtifacts(metadata, acknowledged)
  await removeEverything(metadata)
  await metadata.close()
  checkFile(path)
}

async function listLive(metadata: Metadata): Promise<number[]> {
  const page = { limit: 100, offset: 0, sort: 'oldest', now: 3_000 } as const
  const { artifacts } = await metadata.listArtifacts({}, page)
  return artifacts.map((artifact) => artifact.id)
}

/** Acknowledged artifacts are there and complete, and so is everything else that is visible
 *  (invariants 1 and 3). */
async function checkArtifacts(metadata: Metadata, acknowledged: Acknowledged): Promise<void> {
  const live = await listLive(metadata)
  for (const id of acknowledged.committed.keys()) {
    if (live.includes(id)) expect(acknowledged.removed.has(id)).toBe(false)
    else await checkRemoval(metadata, id, live)
  }
  for (const id of live) {
    const page = await metadata.readEntryPage(id, 0)
    const paths = acknowledged.committed.get(id)
    if (paths) expect(page?.entries.map((entry) => entry.path)).toEqual(paths)
    expect(await metadata.readSkeletonPage(id, 0)).toMatchObject({ page: 0 })
    for (const entry of page!.entries) {
      if (entry.kind !== 'file') continue
      const copies = entry.blob.copy
        ? [entry.blob.copy]
        : (await metadata.readParts(entry.blob.blobId, 0, 10)).map((part) => part.copy)
      expect(copies.length).toBe(Math.max(1, entry.blob.partCount))
      for (const copy of copies) {
        expect(copy.damaged).toBe(false)
        expect(await metadata.hasPack(copy.packName)).toBe(true)
      }
    }
  }
}

/** An artifact that is missing was removed by the child: explicitly, or by a successor that
 *  exists, acknowledged or not. */
async function checkRemoval(metadata: Metadata, id: number, live: number[]): Promise<void> {
  const gone = await metadata.findArtifact(id)
  expect(['test', 'replaced']).toContain(gone?.removedReason)
  if (gone?.removedReason === 'replaced') {
    const names = live.map(async (other) => (await metadata.findArtifact(other))?.name)
    expect(await Promise.all(names)).toContain(gone.name)
  }
}

/** Every removal has exactly one act, and every act its removal. */
async function checkAudit(metadata: Metadata): Promise<void> {
  const page = { limit: 100, offset: 0, sort: 'oldest', now: 3_000 } as const
  const { artifacts: gone } = await metadata.listArtifacts({ state: 'deleted' }, page)
  const acts = await metadata.listActs({}, { limit: 100 })
  const recorded = acts.flatMap(({ kind, artifactIds }) => artifactIds.map((id) => ({ id, kind })))
  expect(recorded.toSorted((a, b) => a.id - b.id)).toEqual(
    gone.map(({ id, removedReason }) => {
      return { id, kind: removedReason === 'replaced' ? 'replace' : 'delete' }
    }),
  )
  for (const { removedBy } of gone) expect(removedBy).toMatchObject({ job: 'build' })
}

async function recover(metadata: Metadata): Promise<void> {
  for (const name of await metadata.listSessions(Infinity, 100)) await metadata.abortSession(name)
  expect(await metadata.listSessions(Infinity, 100)).toEqual([])
  await sweepAll(metadata)
}

async function sweepAll(metadata: Metadata): Promise<void> {
  await sweepBlobs(metadata)
  for (const name of await claimPacks(metadata)) await metadata.removePackRow(name)
}

/** Nothing leaks: once no artifact is left, nothing else is left. */
async function removeEverything(metadata: Metadata): Promise<void> {
  const removal = { state: 'deleted', reason: 'test', now: 4_000 } as const
  await metadata.removeArtifacts(await listLive(metadata), removal)
  await sweepAll(metadata)
  expect(await metadata.figures()).toEqual({
    artifacts: 0,
    files: 0,
    logicalBytes: 0,
    removedBytes: 0,
    uniqueBytes: 0,
    chunkBytes: 0,
    storedBytes: 0,
    packs: 0,
    liveBytes: 0,
    damagedArtifacts: 0,
  })
}

function checkFile(path: string): void {
  const database = new SqliteDatabase(path, { readonly: true })
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
  expect(database.pragma('foreign_key_check')).toEqual([])
  // The latest of a branch belongs to a run of that branch, whenever the branch was set.
  const strays = database.prepare(
    'SELECT count(*) FROM artifacts a JOIN runs r ON r.id = a.run_id WHERE a.latest_of IS NOT r.branch',
  )
  expect(strays.pluck().get()).toBe(0)
  // The rows of artifacts and sessions are deleted with them.
  for (const table of ['"references"', 'leases', 'manifest_leases', 'artifact_times']) {
    expect(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(0)
  }
  for (const table of ['skeleton_pages', 'skeleton_streams', 'composite_parts', 'touched_blobs']) {
    expect(database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()).toBe(0)
  }
  database.close()
}
