/** A store after weeks of use, with the clock as a parameter: builds of a main branch, of another
 *  branch and of pull requests, and installers, which expire at different times, deletes, uploads
 *  that die, and scheduled rounds. The yardstick is a fresh store that receives only what is alive.
 */
import SqliteDatabase from 'better-sqlite3'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test, expect } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { noFacts, parseProjectName, type RunFacts } from '../../src/core/run/run.ts'
import { representTarGz } from '../../src/egress/egress.ts'
import { recordUsage } from '../../src/lifecycle/usage-history.ts'
import { pseudoRandom } from '../client/tree.ts'
import { tarOf } from '../http/archives-of.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectInBackground, day, hour } from './collection.ts'
import { runDying } from './dying.ts'
import { createRandom } from './random-world.ts'
import { testDirectory } from '../temporary-directory.ts'
import { closeStore, openStoreAt, recoverAt, type StoreAt } from './store-at.ts'

const project = parseProjectName('acme/app')
const historyMs = 8 * day
const random = createRandom(7)
const pick = (below: number): number => Math.floor(random() * below)
let now = Date.UTC(2026, 0, 2)
let serial = 0

interface Store extends StoreAt {
  directory: string
}

async function open(directory: string): Promise<Store> {
  return { directory, ...(await openStoreAt(directory, () => now)) }
}

async function openNew(): Promise<Store> {
  return await open(testDirectory())
}

interface Upload {
  name: string
  body: Buffer
  facts?: Partial<RunFacts>
  days?: number
  form?: 'tar' | 'file'
}

async function put(
  { directory, ...ports }: Store,
  { name, body, facts, days = 400, form = 'tar' }: Upload,
): Promise<number> {
  const identity = { project, number: ++serial, attempt: 1 }
  const run = await ports.metadata.ensureRun(identity, { ...noFacts, ...facts }, now)
  const job = { ...jobOf(run, name, form, now), expiresAt: now + days * day }
  const settings = { ...ingestSettings, compressionLevel: 1 }
  return (await ingestBody({ ...ports, settings }, directory, job, body)).artifact.id
}

/** Files by path. */
type Tree = Map<string, Buffer>

/** The tree of the next build: 1 to 10 % of the files are others. */
function changed(tree: Tree): Tree {
  const next = new Map(tree)
  const count = Math.ceil(tree.size * (0.01 + random() * 0.09))
  for (let index = 0; index < count; index++) {
    const path = [...tree.keys()][pick(tree.size)]!
    next.set(path, pseudoRandom(2000 + pick(20_000), `content ${serial} ${index}`))
  }
  return next
}

async function archive(tree: Tree): Promise<Buffer> {
  return await tarOf([...tree].map(([name, content]) => ({ name, content })))
}

async function live(store: Store): Promise<{ id: number; name: string }[]> {
  const page = { limit: 1000, offset: 0, sort: 'oldest', now } as const
  return (await store.metadata.listArtifacts({}, page)).artifacts
}

async function rounds(store: Store): Promise<void> {
  for (let round = 0; round < 4; round++) {
    now += 6 * hour
    await collectInBackground(store, { historyMs })
    await recordUsage(store)
  }
}

async function reopen(store: Store): Promise<Store> {
  await closeStore(store)
  const opened = await open(store.directory)
  await recoverAt(opened.directory, opened)
  return opened
}

let main: Tree = new Map(
  Array.from({ length: 60 }, (_, at) => [`src/${at}`, pseudoRandom(12_000, `first ${at}`)]),
)

async function passDay(store: Store, number: number): Promise<Store> {
  const event = 'push'
  main = changed(main)
  const facts = { branch: 'main', event }
  await put(store, { name: 'dist', body: await archive(main), facts, days: 12 })
  for (const days of [2, 5, 12, 20]) {
    const body = pseudoRandom(700_000, `installer ${serial}`)
    await put(store, { name: 'installer', form: 'file', body, facts, days })
  }
  const branch = { branch: 'topic', event }
  const other = await put(store, {
    name: 'dist',
    body: await archive(changed(main)),
    facts: branch,
    days: 5,
  })
  const pull = { event: 'pull_request', pullRequest: number + 1 }
  await put(store, { name: 'dist', body: await archive(changed(main)), facts: pull, days: 2 })
  if (number % 3 === 0) {
    const removal = { state: 'deleted', reason: 'deleted', now } as const
    await store.metadata.removeArtifacts([other], removal)
  }
  await rounds(store)
  if (number % 10 !== 9) return store
  const last = await archive(changed(main))
  await runDying({ ...store, nth: pick(12) }, async (ports) => {
    await put({ ...ports, directory: store.directory }, { name: 'dist', body: last, days: 12 })
  })
  return await reopen(store)
}

/** A fresh store with what is alive in another one. */
async function freshCopy(store: Store): Promise<Store> {
  const fresh = await openNew()
  for (const { id, name } of await live(store)) {
    const artifact = (await store.metadata.findArtifact(id))!
    await put(fresh, {
      name,
      body: gunzipSync(await readAll(await representTarGz(store, artifact))),
    })
  }
  await rounds(fresh)
  return fresh
}

interface Figures {
  packBytes: number
  databaseBytes: number
  /** Contiguous stretches of packs that a download of the newest build reads. */
  stretches: number
  rows: Record<string, number>
}

async function measure({ directory }: Store): Promise<Figures> {
  const path = join(directory, 'trove.db')
  const database = new SqliteDatabase(path, { readonly: true })
  const one = (sql: string): number => database.prepare<[], number>(sql).pluck().get()!
  const tables = database
    .prepare<[], string>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_\\_%' ESCAPE '\\'",
    )
    .pluck()
    .all()
  const places = database
    .prepare<[], { pack: number; at: number; end: number }>(
      `SELECT s.pack_id AS pack, s."offset" AS at, s."offset" + s.length_bytes AS "end"
       FROM "references" r JOIN blobs b ON b.id = r.blob_id JOIN streams s ON s.id = b.copy_stream_id
       WHERE r.manifest_id = (SELECT manifest_id FROM artifacts WHERE removed_at IS NULL
         AND name = 'dist' ORDER BY id DESC LIMIT 1) ORDER BY 1, 2`,
    )
    .all()
  const figures = {
    packBytes: one('SELECT sum(size_bytes) FROM packs WHERE live_count > 0'),
    databaseBytes: (await stat(path)).size,
    stretches: places.filter(
      ({ pack, at }, index) =>
        places[index - 1]?.pack !== pack || at - places[index - 1]!.end > limits.readGapBytes,
    ).length,
    rows: Object.fromEntries(
      tables.map((table) => [table, one(`SELECT count(*) FROM "${table}"`)]),
    ),
  }
  database.close()
  return figures
}

test('after weeks, a store takes and reads little more than a fresh one, and no table grows', async () => {
  let store = await openNew()
  for (let number = 0; number < 24; number++) store = await passDay(store, number)
  const before = await measure(store)
  for (let number = 24; number < 36; number++) store = await passDay(store, number)
  const fresh = await freshCopy(store)
  await closeStore(await reopen(store))
  await closeStore(fresh)
  const [after, yardstick] = [await measure(store), await measure(fresh)]
  expect(after.packBytes / yardstick.packBytes).toBeLessThan(1.25)
  expect(after.stretches / yardstick.stretches).toBeLessThan(2)
  expect(after.rows['packs']).toBeLessThan(yardstick.rows['packs']! + 20)
  expect(after.databaseBytes / yardstick.databaseBytes).toBeLessThan(2)
  // History ends after eight days, usage only after a year.
  const grown = Object.entries(after.rows).filter(
    ([table, rows]) => table !== 'usage_points' && rows > before.rows[table]! * 1.2 + 20,
  )
  expect(grown).toEqual([])
})
