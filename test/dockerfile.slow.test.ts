/** The health check of the image, run as the container would run it. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { readServerConfig } from '../src/config/config.ts'
import { createLog } from '../src/log.ts'
import { startServer, type RunningServer } from '../src/server.ts'

const file = await readFile(new URL('../Dockerfile', import.meta.url), 'utf8')

async function check(data: string, port = ''): Promise<{ code: number; stdout: string }> {
  const [, command = ''] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(file) ?? []
  const [program = '', ...args] = JSON.parse(command) as string[]
  const env = { PATH: process.env['PATH'], TROVE_DATA: data, TROVE_PORT: port }
  try {
    const { stdout } = await promisify(execFile)(program, args, { env })
    return { code: 0, stdout }
  } catch (error) {
    return error as { code: number; stdout: string }
  }
}

async function start(host: string): Promise<{ server: RunningServer; data: string }> {
  const data = await mkdtemp(join(tmpdir(), 'trove-'))
  const config = readServerConfig({ data, host, port: '0' }, {})
  const server = await startServer(config, { log: createLog('error') })
  onTestFinished(async () => {
    await server.close()
    await rm(data, { recursive: true })
  })
  return { server, data }
}

test.each(['127.0.0.2', '::1', '0.0.0.0', '::'])(
  'it finds a server that listens on %s',
  async (host) => {
    const { data } = await start(host)
    expect(await check(data)).toEqual({ code: 0, stdout: 'ready\n' })
  },
)

test('it finds a server that could not write its address by the port that is set', async () => {
  const { server, data } = await start('127.0.0.1')
  await rm(join(data, 'server.url'))
  expect(await check(data, new URL(server.url).port)).toEqual({ code: 0, stdout: 'ready\n' })
})
