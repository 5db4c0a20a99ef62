/** The health check of the image, run as the container would run it, and a server for it. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { onTestFinished } from 'vitest'
import { readServerConfig } from '../src/config/config.ts'
import { createLog } from '../src/log.ts'
import { type RunningServer, startServer } from '../src/server.ts'

export const dockerfile = await readFile(new URL('../Dockerfile', import.meta.url), 'utf8')

export async function check(data: string, port = ''): Promise<{ code: number; stdout: string }> {
  const [, command = ''] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(dockerfile) ?? []
  const [program = '', ...args] = JSON.parse(command) as string[]
  const env = { PATH: process.env['PATH'], TROVE_DATA: data, TROVE_PORT: port }
  try {
    const { stdout } = await promisify(execFile)(program, args, { env })
    return { code: 0, stdout }
  } catch (error) {
    return error as { code: number; stdout: string }
  }
}

export async function start(host: string): Promise<{ server: RunningServer; data: string }> {
  const data = await mkdtemp(join(tmpdir(), 'trove-'))
  const config = readServerConfig({ data, host, port: '0' }, {})
  const server = await startServer(config, { log: createLog('error') })
  onTestFinished(async () => {
    await server.close()
    await rm(data, { recursive: true })
  })
  return { server, data }
}
