/** The image: its health check, run as the container would run it, and its user. The manifest for
 *  Kubernetes. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readServerConfig } from '../src/config/config.ts'
import { limits } from '../src/core/limits.ts'
import { createLog } from '../src/log.ts'
import { startServer, type RunningServer } from '../src/server.ts'
import { whileDiskRefuses } from './refusing-disk.ts'

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

test('the health check of the image says why the server is not ready', async () => {
  const { server, data } = await start('127.0.0.1')
  const refused = await whileDiskRefuses(async () => await check(data))
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('is inaccessible') })
  expect(await check(data)).toEqual({ code: 0, stdout: 'ready\n' })
  await server.close()
  const stopped = await check(data, new URL(server.url).port)
  expect(stopped).toMatchObject({ code: 1, stdout: '' })
})

// `runAsNonRoot` rejects an image whose user is a name.
test('Kubernetes can tell that the user of the image is not root', () => {
  expect(file).toMatch(/^USER [1-9]\d*$/m)
})

describe('kubernetes.yaml', async () => {
  const manifest = await readFile(new URL('../kubernetes.yaml', import.meta.url), 'utf8')
  const numberOf = (key: string): number =>
    Number(new RegExp(`^ *${key}: (\\d+)$`, 'm').exec(manifest)?.[1])

  test('runs as the user of the image, with its volume', () => {
    const user = Number(/^USER (\d+)$/m.exec(file)?.[1])
    for (const key of ['runAsUser', 'runAsGroup', 'fsGroup'])
      expect([key, numberOf(key)]).toEqual([key, user])
    expect(manifest).toContain(`mountPath: ${/^VOLUME (.+)$/m.exec(file)![1]} `)
  })

  test('gives running requests the time that the server gives them', () => {
    const graceMs = numberOf('terminationGracePeriodSeconds') * 1000
    expect(graceMs).toBeGreaterThan(limits.stopGraceMs + limits.endingMs)
  })

  test('asks for paths that need no token', async () => {
    const { server } = await start('127.0.0.1')
    const paths = Array.from(manifest.matchAll(/httpGet: \{ path: (\S+),/g), ([, path]) => path)
    expect(paths).toEqual(['/readyz', '/healthz'])
    for (const path of paths) expect((await fetch(`${server.url}${path}`)).status).toBe(200)
  })
})
