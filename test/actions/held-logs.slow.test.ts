/** The memory of zips of logs whose clients read slowly. */
import { Hono } from 'hono'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { addLogRoutes } from '../../src/actions/rest/logs.ts'
import { openKeys } from '../../src/auth/key.ts'
import { createRevocations } from '../../src/auth/revocations.ts'
import { adminGrant, mintToken } from '../../src/auth/tokens.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import type { LogLine } from '../../src/core/run/run-record.ts'
import type { Metadata, RecordedJob, Run, RunRecord } from '../../src/metadata/metadata.ts'
import { nobody } from '../http/open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'

const directory = fileDirectory()

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heldBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Another thread returns the memory of buffers some time after they were collected. */
async function settledBytes(): Promise<number> {
  let least = heldBytes()
  for (let turn = 0; turn < 10; turn++) {
    await sleep(20)
    least = Math.min(least, heldBytes())
  }
  return least
}

test('a slow reader holds a log deflated, however its steps are mixed', async () => {
  const stepCount = 9000
  const steps = Array.from({ length: stepCount }, (_, index) => ({ number: index + 1, name: 's' }))
  const job = { id: 1, key: 'a', name: 'a', steps, logPages: 60 } as unknown as RecordedJob
  const page = (number: number): LogLine[] =>
    Array.from({ length: 2500 }, (_, index) => {
      const step = 1 + ((number * 2500 + index) % stepCount)
      return { at: 0, step, kind: 'output', text: '' }
    })
  const metadata: Partial<Metadata> = {
    findProject: async () => ({ id: 1, name: 'octo/demo' }) as never,
    findRun: async () => ({ id: 1, number: 1, project: 'octo/demo' }) as Run,
    findRunRecord: async () => ({ jobs: [job] }) as unknown as RunRecord,
    readLogPage: async (_job, number) => {
      await nextTurn()
      return page(number)
    },
  }
  const keys = await openKeys(directory)
  const revocations = createRevocations({ tokens: [], projects: [] })
  const config = { idleMs: 60_000, publicUrl: null, publicProjects: [] }
  const context = { metadata, keys, revocations, people: nobody, config, now: () => Date.now() }
  const app = new Hono<AppEnv>()
  addLogRoutes(app, context as unknown as AppContext, '/repos/:owner/:repo')
  const token = await mintToken(keys.tokens, adminGrant(Date.now(), 60_000), 'api')
  const headers = { authorization: `Bearer ${token}` }
  const read = async (): Promise<ReadableStream> => {
    const answer = await app.request('/repos/octo/demo/actions/runs/1/logs', { headers })
    expect(answer.status).toBe(200)
    return answer.body!
  }
  const first = await read()
  const before = await settledBytes()
  const second = await read()
  await expect.poll(() => heldBytes() - before).toBeLessThan(12_000_000)
  await Promise.all([first.cancel(), second.cancel()])
})
