/** Runs recorded while they run: what their pages and the database then contain, and how a failing
 *  store affects a run. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { inflateRawSync } from 'node:zlib'
import SqliteDatabase from 'better-sqlite3'
import { unzipSync } from 'fflate'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createRunRecorder, type RunRecorder } from '../../src/cli/run/run-recorder.ts'
import { limits } from '../../src/core/limits.ts'
import type { RunEvent } from '../../src/workflow/events.ts'
import type { RunOptions } from '../../src/workflow/run.ts'
import { openSharedServer } from '../http/open-server.ts'
import { onServer } from './native-run.ts'
import { createPlayground, oneJob, type Playground } from './playground.ts'

const server = await openSharedServer()

const noAbort = new AbortController().signal
const dayMs = 86_400_000

/** Runs a workflow whose artifacts and record go to the server. */
async function runRecorded(
  place: Playground,
  workflow: string,
  options: Partial<RunOptions> = {},
): Promise<{ run: number; page: string; conclusion: string }> {
  const bound = onServer(server)
  const run = bound.facts.runId
  const failures: unknown[] = []
  const token = await server.token({ project: 'octo/demo', run, job: 'record', scope: 'run' })
  const recorder = createRunRecorder({
    access: { url: server.url, token },
    project: 'octo/demo',
    run,
    attempt: 1,
    onTrouble: (error) => failures.push(error),
    onFailure: (error) => failures.push(error),
  })
  const sinks = [(event: RunEvent) => void place.events.push(event), recorder.sink]
  const { conclusion } = await place.run(workflow, { ...bound, sinks, ...options })
  await recorder.finish(noAbort)
  expect(failures).toEqual([])
  return { run, page: await runPage(run), conclusion }
}

async function runPage(run: number): Promise<string> {
  const response = await asVisitor(`/octo/demo/actions/runs/${run}`)
  return await response.text()
}

async function asVisitor(path: string): Promise<Response> {
  return await server.visit(path, { project: 'octo/demo' })
}

function openDatabase(): SqliteDatabase.Database {
  const database = new SqliteDatabase(join(server.dataDir, 'trove.db'), { readonly: true })
  onTestFinished(() => void database.close())
  return database
}

const originalRequest = `
name: CI
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: npm install --offline --no-audit --no-fund
      - run: npm run build
      - uses: actions/upload-artifact@v4
        with: {name: dist, path: dist, retention-days: 30}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/download-artifact@v4
        with: {name: dist, path: dist}
      - run: npm test
`

async function writeNpmProject(place: Playground): Promise<void> {
  const scripts = { build: 'node build.mjs', test: 'node --test test.mjs' }
  const manifest = { name: 'demo', version: '1.0.0', type: 'module', scripts }
  const dependencies = { shout: 'file:./shout' }
  await place.write('package.json', JSON.stringify({ ...manifest, dependencies }))
  await place.write('shout/package.json', '{"name":"shout","version":"1.0.0","type":"module"}')
  await place.write('shout/index.js', 'export const shout = (text) => text.toUpperCase()\n')
  await place.write(
    'build.mjs',
    `import { mkdirSync, writeFileSync } from 'node:fs'
import { shout } from 'shout'
mkdirSync('dist/deep', { recursive: true })
writeFileSync('dist/index.js', 'export const greeting = ' + JSON.stringify(shout('hello')) + '\\n')
writeFileSync('dist/deep/bytes.bin', Buffer.from(Array.from({ length: 70000 }, (_, i) => (i * i) % 251)))
`,
  )
  await place.write(
    'test.mjs',
    `import { equal } from 'node:assert'
import { test } from 'node:test'
import { greeting } from './dist/index.js'
test('it greets', () => equal(greeting, 'HELLO'))
`,
  )
}

/** Returns the job's files below `dist`, by path. */
async function readDist(place: Playground, job: string): Promise<Record<string, Buffer>> {
  const dist = join(place.work, job, 'demo/dist')
  const entries = await readdir(dist, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return Object.fromEntries(
    await Promise.all(
      files.map(async ({ parentPath, name }) => {
        const path = join(parentPath, name)
        return [path.slice(dist.length + 1), await readFile(path)] as const
      }),
    ),
  )
}

test('the workflow of the original request on an npm project is listed, stored, shown, downloads the same files, and is gone after 30 days', async () => {
  const place = await createPlayground()
  await writeNpmProject(place)
  const { run, page, conclusion } = await runRecorded(place, originalRequest, {
    keepWorkDirectory: true,
  })
  expect(conclusion).toBe('success')

  const list = await server.send(`/api/v1/artifacts?project=octo/demo&run=${run}`, {
    token: await server.token({ project: 'octo/demo' }),
  })
  const { items } = (await list.json()) as { items: { id: number; expiresAt: string }[] }
  expect(items).toMatchObject([{ name: 'dist', job: 'build', files: 2 }])
  const row = openDatabase()
    .prepare('SELECT name, state, expires_at AS expiresAt FROM artifacts WHERE id = ?')
    .get(items[0]?.id)
  const expiresAt = server.clock.now + 30 * dayMs
  expect(row).toEqual({ name: 'dist', state: 'available', expiresAt })
  expect(items[0]?.expiresAt).toBe(new Date(expiresAt).toISOString())

  const zipLink = /href="(\/api\/v1\/artifacts\/\d+\/archive\.zip)"/.exec(page)?.[1] ?? ''
  const zip = unzipSync(new Uint8Array(await (await asVisitor(zipLink)).arrayBuffer()))
  const built = await readDist(place, 'build')
  expect(Object.keys(built).toSorted()).toEqual(['deep/bytes.bin', 'index.js'])
  expect(await readDist(place, 'test')).toEqual(built)
  for (const [path, bytes] of Object.entries(built)) {
    expect(Buffer.from(zip[path] ?? [])).toEqual(bytes)
  }
  expect(page).toContain('<strong>build</strong> <span class="badge success">success</span>')
  expect(page).toContain('Run npm run build <span class="badge success">success</span>')
  expect(page).toContain('Artifact dist has been successfully uploaded!')

  server.clock.now += 30 * dayMs + 1
  const gone = await asVisitor(zipLink)
  expect(gone.status).toBe(410)
  const token = await server.token({ scope: 'admin' })
  await server.send('/api/v1/admin/gc', { method: 'POST', token, json: { now: true } })
  await expect
    .poll(async () =>
      (await readdir(join(server.dataDir, 'cas/packs'), { recursive: true })).join(),
    )
    .not.toContain('.zip')
  expect(openDatabase().prepare('SELECT state FROM artifacts').pluck().all()).toEqual(['expired'])
  expect(await runPage(run)).toContain('<span class="badge expired">expired</span>')
})

test('jobs of a called workflow are recorded under the names of their callers, and store artifacts', async () => {
  const place = await createPlayground()
  await place.write(
    '.github/workflows/called.yml',
    `on:
  workflow_call:
    inputs: {name: {type: string}}
    secrets: {token: }
jobs:
  build:
    runs-on: x
    steps:
      - run: echo "\${{ secrets.token }}" > out.txt && echo "made by \${{ inputs.name }}"
      - {uses: actions/upload-artifact@v4, with: {name: '\${{ inputs.name }}', path: out.txt}}
`,
  )
  const { run, page, conclusion } = await runRecorded(
    place,
    `on: push
jobs:
  call:
    strategy: {matrix: {name: [one, two]}}
    uses: ./.github/workflows/called.yml
    with: {name: '\${{ matrix.name }}'}
    secrets: {token: '\${{ secrets.GITHUB_TOKEN }}'}
  skipped: {if: false, uses: ./.github/workflows/called.yml}
`,
  )
  expect(conclusion).toBe('success')
  for (const text of ['call (one) / build', 'call (two) / build', 'made by one', 'made by two'])
    expect(page).toContain(text)
  const answer = await asVisitor(`/api/v1/runs/${run}?project=octo/demo`)
  const { record } = (await answer.json()) as { record: { jobs: { key: string }[] } }
  // The two calls start at the same time.
  expect(record.jobs.toSorted((a, b) => (a.key < b.key ? -1 : 1))).toMatchObject([
    { key: 'call-1.build', id: 'build', conclusion: 'success' },
    { key: 'call-2.build', id: 'build', conclusion: 'success' },
    { key: 'skipped', conclusion: 'skipped' },
  ])
  const jobs = openDatabase()
    .prepare('SELECT job FROM artifacts WHERE name IN (?, ?) ORDER BY job')
    .pluck()
    .all('one', 'two')
  expect(jobs).toEqual(['call-1.build', 'call-2.build'])
})

test('a masked secret appears in no log, on no page and nowhere in the database', async () => {
  const place = await createPlayground()
  const secret = 'hunter2-and-more'
  const workflow = `
on: push
jobs:
  job:
    name: with \${{ vars.SHOWN }}
    runs-on: ubuntu-latest
    outputs:
      leak: \${{ steps.leak.outputs.value }}
    steps:
      - name: Use \${{ secrets.PASSWORD }} plain-word
        run: echo "a \${{ secrets.PASSWORD }} b visible-word"
      - id: leak
        run: |
          # The script itself is shown before it can ask for anything.
          late="added-later"-secret
          echo "::add-mask::$late"
          echo "value=\${{ secrets.PASSWORD }}" >> "$GITHUB_OUTPUT"
          echo "::group::\${{ secrets.PASSWORD }} $late"
          printf '\${{ secrets.PASSWORD }}' | base64
          echo "::endgroup::"
          echo "::error title=\${{ secrets.PASSWORD }}::\${{ secrets.PASSWORD }} $late"
          echo "summed-word \${{ secrets.PASSWORD }} $late" >> "$GITHUB_STEP_SUMMARY"
  broken:
    name: \${{ fromJSON('["x"]')[0] }} in vain
    needs: job
    runs-on: ubuntu-latest
    timeout-minutes: \${{ fromJSON(needs.job.outputs.leak) }}
    steps: [{run: echo never}]
`
  const { run, page } = await runRecorded(place, workflow, {
    secrets: { PASSWORD: secret },
    vars: { SHOWN: 'shown-word' },
  })
  const database = openDatabase()
  const textOf = (table: string): string => {
    const pages = database.prepare(`SELECT bytes FROM ${table}`).pluck().all() as Buffer[]
    return pages.map((bytes) => inflateRawSync(bytes).toString()).join('')
  }
  const [logs, summaries] = [textOf('log_pages'), textOf('summary_pages')]
  const files = await Promise.all(
    (await readdir(server.dataDir))
      .filter((name) => name.startsWith('trove.db'))
      .map((name) => readFile(join(server.dataDir, name), 'latin1')),
  )
  const detail = await server.send(`/api/v1/runs/${run}?project=octo/demo`, {
    token: await server.token({ project: 'octo/demo' }),
  })
  const places = { page, logs, summaries, database: files.join(''), api: await detail.text() }
  // Text that is not secret is found in the same places, which proves that the search works.
  expect(places.page).toContain('visible-word')
  expect(places.logs).toContain('visible-word')
  expect(places.summaries).toBe('summed-word *** ***\n')
  expect(places.database).toContain('plain-word')
  expect(places.api).toContain('plain-word')
  expect(places.api).toContain('"title":"***"')
  for (const [where, content] of Object.entries(places)) {
    for (const hidden of [secret, 'added-later-secret', btoa(secret).slice(0, -4)]) {
      expect([where, content.includes(hidden)]).toEqual([where, false])
    }
  }
})

interface Stub {
  url: string
  /** Request bodies in order of arrival. */
  bodies: { sequence: number; events: { type: string; kind?: string; text?: string }[] }[]
  /** Highest number of concurrent requests. */
  busiest: number
  /** Stops the server while `meanwhile` runs. */
  restart: (meanwhile: () => Promise<void>) => Promise<void>
}

/** Starts a server that answers when `answer` resolves, with the status it returns. */
async function stubServer(answer: () => Promise<number>): Promise<Stub> {
  const restart: Stub['restart'] = async (meanwhile) => {
    const { port } = listening.address() as AddressInfo
    listening.closeAllConnections()
    await new Promise((resolve) => listening.close(resolve))
    await meanwhile()
    await new Promise<void>((resolve) => listening.listen(port, '127.0.0.1', resolve))
  }
  const stub: Stub = { url: '', bodies: [], busiest: 0, restart }
  let busy = 0
  const listening: Server = createServer((request, response) => {
    busy += 1
    stub.busiest = Math.max(stub.busiest, busy)
    void (async () => {
      stub.bodies.push(JSON.parse(await text(request)) as Stub['bodies'][number])
      const status = await answer()
      busy -= 1
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end('{"nextSequence":0}')
    })()
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    listening.closeAllConnections()
    listening.close()
  })
  stub.url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  return stub
}

function recorderFor(
  url: string,
  patienceMs = 1_000,
): { recorder: RunRecorder; troubles: unknown[]; failures: unknown[] } {
  const troubles: unknown[] = []
  const failures: unknown[] = []
  const recorder = createRunRecorder({
    access: { url, token: 'token' },
    project: 'octo/demo',
    run: 1,
    attempt: 1,
    onTrouble: (error) => troubles.push(error),
    onFailure: (error) => failures.push(error),
    patienceMs,
  })
  return { recorder, troubles, failures }
}

const job = { key: 'job', id: 'job', name: 'job' }
const step = { number: 1, id: '__1', name: 'step' }

function line(content: string): RunEvent {
  return { type: 'line', at: 1, job, step, kind: 'output', text: content }
}

test('a run that is quiet for long sends heartbeats until it ends', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const stub = await stubServer(() => Promise.resolve(200))
  const { recorder } = recorderFor(stub.url)
  const sentTypes = (): string[] =>
    stub.bodies.flatMap(({ events }) => events.map(({ type }) => String(type)))
  recorder.sink({ type: 'run-started', at: 1 } as RunEvent)
  vi.advanceTimersByTime(limits.recordSilenceMs / 2)
  await recorder.finish(noAbort)
  expect(sentTypes().length).toBeGreaterThan(2)
  expect(new Set(sentTypes())).toEqual(new Set(['run-started']))
  expect(vi.getTimerCount()).toBe(0)
})

test('a failing store is reported once, is waited for only for a bounded time, and does not fail the run', async () => {
  const stub = await stubServer(() => Promise.resolve(500))
  const { recorder, troubles, failures } = recorderFor(stub.url)
  const place = await createPlayground()
  const sinks = [recorder.sink]
  const result = await place.run(oneJob('- run: seq 50000\n- run: echo done'), { sinks })
  await recorder.finish(noAbort)
  expect(result.conclusion).toBe('success')
  expect(troubles).toHaveLength(1)
  expect(failures).toHaveLength(1)
  expect(stub.bodies.length).toBeLessThan(5)
})

test('an unresponsive server is given up some time after the end, or at once on an interrupt', async () => {
  const silent = await stubServer(() => new Promise(() => {}))
  const patient = recorderFor(silent.url)
  patient.recorder.sink(line('x'))
  await patient.recorder.finish(noAbort)
  expect(patient.failures).toEqual([new Error(`${silent.url} does not respond`)])
  const interrupt = new AbortController()
  const interrupted = recorderFor(silent.url, 3_600_000)
  interrupted.recorder.sink(line('x'))
  globalThis.setTimeout(() => interrupt.abort(), 100)
  await interrupted.recorder.finish(interrupt.signal)
  expect(interrupted.failures).toHaveLength(1)
})

test('a permanent error is not retried', async () => {
  const stub = await stubServer(() => Promise.resolve(401))
  const { recorder, troubles, failures } = recorderFor(stub.url, 3_600_000)
  recorder.sink(line('x'))
  await recorder.finish(noAbort)
  expect([troubles.length, failures.length, stub.bodies.length]).toEqual([0, 1, 1])
})

test('a permanent error ends the record, even of what came meanwhile', async () => {
  let refuse: () => void = () => {}
  const stub = await stubServer(async () => {
    await new Promise<void>((resolve) => (refuse = resolve))
    return 401
  })
  const { recorder, failures } = recorderFor(stub.url, 3_600_000)
  recorder.sink(line('x'))
  await expect.poll(() => stub.bodies.length).toBe(1)
  recorder.sink(line('y'))
  refuse()
  await expect.poll(() => failures.length).toBe(1)
  // Longer than the time for which events are batched.
  await setTimeout(700)
  refuse()
  await recorder.finish(noAbort)
  expect([failures.length, stub.bodies.length]).toEqual([1, 1])
})

test('a restart of the server, during a run or at its end, loses nothing of the record', async () => {
  const stub = await stubServer(() => Promise.resolve(200))
  const { recorder, troubles, failures } = recorderFor(stub.url, 60_000)
  recorder.sink(line('before'))
  await expect.poll(() => stub.bodies.length).toBe(1)
  for (const when of ['during', 'at the end']) {
    await stub.restart(async () => {
      recorder.sink(line(when))
      // Longer than one request is retried.
      const awayMs = 6_000
      await setTimeout(awayMs)
    })
    if (when === 'during') await expect.poll(() => stub.bodies.length, { timeout: 20_000 }).toBe(2)
  }
  await recorder.finish(noAbort)
  expect(failures).toEqual([])
  expect(troubles).toHaveLength(1)
  expect(stub.bodies.map(({ sequence }) => sequence)).toEqual([0, 2, 3])
  const texts = stub.bodies.flatMap(({ events }) => events.flatMap((event) => event.text ?? []))
  expect(texts).toEqual(['before', 'during', 'at the end'])
}, 60_000)

test('while a store is slow, one request is in flight, and lines beyond the queue are counted instead of kept', async () => {
  let release: () => void = () => {}
  const gate = new Promise<void>((resolve) => (release = resolve))
  const stub = await stubServer(async () => {
    await gate
    return 200
  })
  const { recorder, failures } = recorderFor(stub.url, 60_000)
  recorder.sink({ type: 'job-started', at: 1, job, needs: [], matrix: null })
  // 40 MiB; the queue holds 32 MiB.
  for (let index = 0; index < 40_000; index++) recorder.sink(line('x'.repeat(1024)))
  release()
  await expect.poll(() => stub.bodies.length).toBeGreaterThan(50)
  recorder.sink(line('the last'))
  recorder.sink({ type: 'run-finished', at: 2, conclusion: 'success', durationMs: 1 })
  await recorder.finish(noAbort)
  expect(failures).toEqual([])
  expect(stub.busiest).toBe(1)
  let sequence = 0
  for (const body of stub.bodies) {
    expect(body.sequence).toBe(sequence)
    expect(body.events.length).toBeLessThanOrEqual(limits.runEventsMax)
    sequence += body.events.length
  }
  const events = stub.bodies.flatMap((body) => body.events)
  const kept = events.filter(({ kind }) => kind === 'output').length
  expect(events.at(-3)).toMatchObject({
    kind: 'cut',
    text: `${40_001 - kept} lines came too fast and were not kept.`,
  })
  expect(events.at(-2)).toMatchObject({ text: 'the last' })
  expect(events.at(-1)).toMatchObject({ type: 'run-finished' })
})

test('the end of a run is sent once, however long the server takes', async () => {
  const stub = await stubServer(async () => {
    await setTimeout(700)
    return 200
  })
  const { recorder, failures } = recorderFor(stub.url, 60_000)
  recorder.sink(line('the last'))
  await recorder.finish(noAbort)
  expect(failures).toEqual([])
  // Longer than the time for which events are batched.
  expect(stub.bodies.map(({ sequence }) => sequence)).toEqual([0])
})

test('a line longer than a request may carry is sent in pieces', async () => {
  const stub = await stubServer(() => Promise.resolve(200))
  const { recorder } = recorderFor(stub.url)
  const long = '\u001b'.repeat(2.5 * limits.logLineCharactersMax)
  recorder.sink(line(long))
  await recorder.finish(noAbort)
  const pieces = stub.bodies.flatMap(({ events }) => events.flatMap((event) => event.text ?? []))
  expect(pieces).toHaveLength(3)
  expect(pieces.join('')).toBe(long)
})
