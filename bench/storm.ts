/** `npm run bench -- storm`: latencies of small requests while many jobs upload small artifacts at
 *  once. Server, jobs and readers are three processes. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startTrove, type TroveProcess } from '../test/clients/trove-process.ts'
import {
  formatTable,
  megabytes,
  type Parts,
  quantile,
  readCpuSeconds,
  readPeakRss,
} from './measure.ts'
import { type Durations, noting, send } from './requests.ts'
import { withScratch } from './scratch.ts'

const jobs = Number(process.env['TROVE_BENCH_JOBS'] ?? 100)
const idleMs = 5000
const warmUpMs = 5000
const stormMs = 20_000
/** Between the starts of two requests of a kind. A request does not wait for the one before, so
 *  that a slower server gets no fewer of them. */
const readEveryMs = 100

export const stormParts: Parts = {
  stock: async () => await measureStorm('stock'),
  put: async () => await measureStorm('put'),
}

async function measureStorm(kind: 'stock' | 'put'): Promise<void> {
  await withScratch(async (scratch) => {
    const data = join(scratch, 'data')
    const environment = { TROVE_PUBLIC_PROJECTS: 'octo/demo' }
    const trove = await startTrove(data, { ...environment, TROVE_LOG_LEVEL: 'warn' })
    try {
      const readers = await readersOf(trove)
      // The server's code is compiled, and there is something to read.
      await withJobs({ trove, data, kind }, async () => await sleep(warmUpMs))
      const idle = await readFor(readers, idleMs)
      const before = { server: readCpuSeconds(trove.pid), own: ownCpuSeconds() }
      let cpu = ''
      const storm: Durations = {}
      const jobTimes = await withJobs({ trove, data, kind }, async (pid) => {
        await sleep(1000)
        Object.assign(storm, await readFor(readers, stormMs))
        const server = readCpuSeconds(trove.pid) - before.server
        cpu = `CPU seconds: server ${server.toFixed(1)}, jobs ${readCpuSeconds(pid).toFixed(1)}, readers ${(ownCpuSeconds() - before.own).toFixed(1)}`
      })
      printDurations({ ...storm, ...jobTimes }, idle)
      console.log(
        `\n${jobs} jobs; ${cpu}, in ${stormMs / 1000 + 1} s of two cores at most; server peak RSS ${megabytes(readPeakRss(trove.pid))} MB`,
      )
    } finally {
      await trove.stop()
      for (const line of trove.log().split('\n')) if (line.startsWith('{')) console.log(line)
    }
  })
}

/** No two storms upload to the same runs. */
let firstRun = 0

/** Runs `work` while the jobs upload. Returns the durations of their requests. */
async function withJobs(
  { trove, data, kind }: { trove: TroveProcess; data: string; kind: string },
  work: (pid: number) => Promise<void>,
): Promise<Durations> {
  firstRun += 1_000_000
  const program = fileURLToPath(new URL('storm-jobs.js', import.meta.url))
  const child = fork(program, [trove.url, data, kind, String(jobs), String(firstRun)])
  const result = once(child, 'message')
  await work(child.pid!)
  child.send('stop')
  const [durations] = (await result) as [Durations]
  return durations
}

type Readers = Record<string, () => Promise<unknown>>

/** Each kind reads what exists before the storm begins. */
async function readersOf(trove: TroveProcess): Promise<Readers> {
  const { url } = trove
  const token = await trove.token(['--project', 'octo/demo', '--scope', 'write'])
  const headers = { authorization: `Bearer ${token}` }
  const path = `${url}/api/v1/projects/octo/demo/runs/900000/artifacts/kept`
  const body = 'some text\n'.repeat(400)
  const { id } = JSON.parse(String(await send(path, { method: 'PUT', headers, body }))) as {
    id: number
  }
  return {
    healthz: () => send(`${url}/healthz`),
    artifact: () => send(`${url}/api/v1/artifacts/${id}?brief=true`, { headers }),
    list: () => send(`${url}/api/v1/artifacts?project=octo/demo&limit=30`, { headers }),
    page: () => send(`${url}/octo/demo`),
    file: () => send(`${url}/api/v1/artifacts/${id}/files/kept`, { headers }),
  }
}

async function readFor(readers: Readers, ms: number): Promise<Durations> {
  const durations: Durations = {}
  const requests: Promise<unknown>[] = []
  const until = performance.now() + ms
  for (let next = performance.now(); next < until; next += readEveryMs) {
    for (const [kind, read] of Object.entries(readers)) requests.push(noting(durations, kind, read))
    await sleep(Math.max(0, next + readEveryMs - performance.now()))
  }
  await Promise.all(requests)
  return durations
}

function ownCpuSeconds(): number {
  return process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6
}

function printDurations(storm: Durations, idle: Durations): void {
  const cells = (values: number[] | undefined): string[] =>
    values === undefined
      ? ['', '', '']
      : [String(values.length), ...[0.5, 0.99].map((share) => quantile(values, share).toFixed(1))]
  const rows = Object.entries(storm).map(([kind, values]) => [
    kind,
    ...cells(idle[kind]),
    ...cells(values),
    quantile(values, 1).toFixed(0),
  ])
  const header = ['', 'idle n', 'p50 ms', 'p99 ms', 'storm n', 'p50 ms', 'p99 ms', 'worst']
  console.log(formatTable(header, rows))
}
