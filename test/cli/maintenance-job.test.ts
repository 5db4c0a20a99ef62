/** What a command says about maintenance that is interrupted. */
import { createServer } from 'node:http'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { expect, onTestFinished, test, vi } from 'vitest'
import { z } from 'zod'
import { runMaintenance } from '../../src/cli/maintenance/maintenance-job.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'

/** Begins a backup, and interrupts it when it is under way; returns what it said. */
async function interrupt(place: { url: string } | { data: string }): Promise<string> {
  vi.stubEnv('TROVE_MIN_FREE', '0')
  onTestFinished(() => void vi.unstubAllEnvs())
  const stop = new AbortController()
  const { signal } = stop
  let said = ''
  const stderr = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said += chunk.toString()
      done()
    },
  }) as NodeJS.WriteStream
  const begun = (): void => void setTimeout(() => stop.abort(), 10)
  const given = { url: undefined, data: undefined, ...place }
  const running = runMaintenance<object>(
    given,
    { stderr, signal },
    {
      command: 'backup',
      path: '/api/v1/backup',
      json: {},
      schema: z.object({ packs: z.number() }).transform((report) => (begun(), report)),
      local: async () => {
        begun()
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw signal.reason
      },
      describeProgress: () => '',
      interrupted: 'it resumes',
    },
  )
  await expect(running).rejects.toMatchObject({ name: 'AbortError' })
  return said
}

test('an interrupted command cancels the job of the server', async () => {
  const server = createServer((_, response) => {
    response.writeHead(202, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify({ id: 'a', kind: 'backup', state: 'running', progress: { packs: 1 } }),
    )
  })
  const url = await listen(server)
  expect(await interrupt({ url })).toBe('trove: interrupted; the backup ends at its next step\n')
})

test('an interrupted command without a server says what comes of repeating it', async () => {
  const data = await makeDirectory()
  await openSqliteMetadata({ path: join(data, 'trove.db') }).close()
  expect(await interrupt({ data })).toBe('trove: interrupted; it resumes\n')
})

test('a command whose job the server has forgotten says why that can be', async () => {
  const server = createServer((request, response) => {
    const isStart = request.method === 'POST'
    response.writeHead(isStart ? 202 : 404, { 'content-type': 'application/json' })
    const job = { id: 'a', kind: 'scrub', state: 'running', progress: null }
    response.end(JSON.stringify(isStart ? job : { code: 'not_found', detail: 'no job a' }))
  })
  const url = await listen(server)
  const running = runMaintenance(
    { url, data: undefined },
    {
      stderr: new PassThrough() as unknown as NodeJS.WriteStream,
      signal: new AbortController().signal,
    },
    {
      command: 'scrub',
      path: '/api/v1/scrub',
      json: {},
      schema: z.object({ packs: z.number() }),
      local: async () => await Promise.reject(new Error('not local')),
      describeProgress: () => '',
    },
  )
  await expect(running).rejects.toThrow(
    'the server no longer knows how the scrub ended: it restarted, or this command was suspended for long; run it again',
  )
})
