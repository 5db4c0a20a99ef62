/** `npm run bench -- big-store`: expires a tenth of a store of 100,000 artifacts, 1,000,000 blobs
 *  and 10,000,000 entries while one client reads and another uploads. The store is built once and
 *  kept; each run works on a copy. */
import { join } from 'node:path'
import { startTrove, type TroveProcess } from '../test/clients/trove-process.ts'
import { ageBigStore, type BigStore, buildBigStore } from './big-store-rows.ts'
import { once } from './corpora.ts'
import { formatTable, megabytes, type Parts, quantile, runProgram, timed } from './measure.ts'
import { withScratch } from './scratch.ts'

const idleMs = 15_000

export const bigStoreParts: Parts = { expire: measureExpiry }

async function measureExpiry(): Promise<void> {
  await withScratch(async (directory) => {
    const artifacts = Number(process.env['TROVE_BENCH_ARTIFACTS'] ?? 100_000)
    const data = join(directory, 'data')
    const { blobs, entries, databaseBytes } = await copyBigStore(artifacts, data)
    console.log(
      `${artifacts} artifacts, ${blobs} blobs, ${entries} entries, database ${megabytes(databaseBytes)} MB`,
    )
    const opened = await timed(() =>
      startTrove(data, { TROVE_GC_INTERVAL: 'off', TROVE_LOG_LEVEL: 'warn' }),
    )
    const trove = opened.value
    try {
      console.log(`opened in ${opened.seconds.toFixed(2)} s`)
      await measure(trove)
    } finally {
      await trove.stop()
      // Its log lines are JSON; the other lines explain how to sign in.
      for (const line of trove.log().split('\n')) if (line.startsWith('{')) console.log(line)
    }
  })
}

/** Copies the cached store and shifts its times, so that a tenth of the artifacts has expired. */
async function copyBigStore(artifacts: number, directory: string): Promise<BigStore> {
  const kept = await once(`big-store-${artifacts}`, async (target) => {
    const built = await timed(() => buildBigStore(target, { artifacts, now: Date.now() }))
    console.log(`built in ${built.seconds.toFixed(0)} s`)
  })
  // The packs are sparse files and stay sparse.
  await runProgram('cp', ['-a', '--sparse=always', kept, directory])
  return ageBigStore(directory, { artifacts, now: Date.now() })
}

interface Clients {
  read: number[]
  upload: number[]
}

async function measure(trove: TroveProcess): Promise<void> {
  const admin = await trove.token(['--scope', 'admin'])
  const writer = await trove.token(['--project', 'octo/demo', '--scope', 'write'])
  firstId = await upload(trove, writer, 0)
  const stats: number[] = []
  for (let round = 0; round < 20; round++) {
    stats.push((await timed(() => get(trove, '/api/v1/stats', admin))).seconds * 1000)
  }
  console.log(
    `GET /stats: median ${quantile(stats, 0.5).toFixed(1)} ms, worst ${quantile(stats, 1).toFixed(1)} ms`,
  )

  const idle = await runClients(trove, writer, async () => {
    await new Promise((resolve) => {
      setTimeout(resolve, idleMs)
    })
  })
  let outcome: Record<string, unknown> = {}
  const collecting = await timed(async () => {
    const busy = await runClients(trove, writer, async () => {
      outcome = await collect(trove, admin)
    })
    return busy
  })
  console.log(`expiring a tenth: ${collecting.seconds.toFixed(1)} s`)
  const { waitingPacks: _names, ...figures } = outcome
  console.log(JSON.stringify(figures))
  const rows = (['read', 'upload'] as const).map((client) => [
    client,
    ...[idle, collecting.value].flatMap((clients) => [
      String(clients[client].length),
      quantile(clients[client], 0.5).toFixed(1),
      quantile(clients[client], 0.99).toFixed(1),
      quantile(clients[client], 1).toFixed(1),
    ]),
    (quantile(collecting.value[client], 0.99) / quantile(idle[client], 0.99)).toFixed(2),
  ])
  const header = [
    'client',
    'idle n',
    'p50 ms',
    'p99 ms',
    'worst',
    'busy n',
    'p50 ms',
    'p99 ms',
    'worst',
    'p99 ratio',
  ]
  console.log(formatTable(header, rows))
}

/** Runs one reader and one uploader, each with one request at a time, until `work` is done. Returns
 *  the duration of each request. */
async function runClients(
  trove: TroveProcess,
  token: string,
  work: () => Promise<void>,
): Promise<Clients> {
  const clients: Clients = { read: [], upload: [] }
  let isOver = false
  const loop = async (times: number[], act: (turn: number) => Promise<void>): Promise<void> => {
    for (let turn = 1; !isOver; turn++) {
      times.push((await timed(() => act(turn))).seconds * 1000)
      // Pause between requests, so that the two clients do not just queue behind each other.
      await new Promise((resolve) => {
        setTimeout(resolve, 5)
      })
    }
  }
  const loops = [
    loop(clients.read, async () => await download(trove, token)),
    loop(clients.upload, async (turn) => {
      await upload(trove, token, turn)
    }),
  ]
  await work()
  isOver = true
  await Promise.all(loops)
  return clients
}

let uploads = 0
let firstId = 0

async function upload(trove: TroveProcess, token: string, turn: number): Promise<number> {
  uploads += 1
  const path = `/api/v1/projects/octo/demo/runs/${uploads}/artifacts/file`
  const headers = { authorization: `Bearer ${token}` }
  const body = `${uploads} ${turn} `.repeat(500)
  const response = await fetch(trove.url + path, { method: 'PUT', headers, body })
  if (!response.ok) throw new Error(`PUT: ${response.status} ${await response.text()}`)
  return ((await response.json()) as { id: number }).id
}

/** Downloads a file of an artifact that exists throughout. */
async function download(trove: TroveProcess, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${trove.url}/api/v1/artifacts/${firstId}/files/file`, { headers })
  if (!response.ok) throw new Error(`GET: ${response.status} ${await response.text()}`)
  await response.arrayBuffer()
}

async function get(trove: TroveProcess, path: string, token: string): Promise<unknown> {
  const response = await fetch(trove.url + path, { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
  return await response.json()
}

async function collect(trove: TroveProcess, token: string): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const started = await fetch(`${trove.url}/api/v1/admin/gc`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ now: true }),
  })
  const { id } = (await started.json()) as { id: string }
  for (;;) {
    const job = (await get(trove, `/api/v1/admin/jobs/${id}`, token)) as {
      state: string
      progress: Record<string, unknown>
      error: string | null
    }
    if (job.state === 'done') return job.progress
    if (job.state === 'failed') throw new Error(job.error ?? 'gc failed')
    await new Promise((resolve) => {
      setTimeout(resolve, 200)
    })
  }
}
