/** The health check of the image, run as the container would run it. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { openServer } from './http/open-server.ts'
import { whileDiskRefuses } from './refusing-disk.ts'

const server = await openServer()

async function check(port: string): Promise<{ code: number; stdout: string }> {
  const file = await readFile(new URL('../Dockerfile', import.meta.url), 'utf8')
  const [, command = ''] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(file) ?? []
  const [program = '', ...args] = JSON.parse(command) as string[]
  const env = { PATH: process.env['PATH'], TROVE_PORT: port }
  try {
    const { stdout } = await promisify(execFile)(program, args, { env })
    return { code: 0, stdout }
  } catch (error) {
    return error as { code: number; stdout: string }
  }
}

test('the health check of the image asks the port that is set, and says why the server is not ready', async () => {
  const { port } = new URL(server.url)
  const refused = await whileDiskRefuses(async () => await check(port))
  expect(refused).toMatchObject({ code: 1, stdout: expect.stringContaining('is inaccessible') })
  expect(await check(port)).toEqual({ code: 0, stdout: 'ready\n' })
  await server.close()
  expect(await check(port)).toMatchObject({ code: 1, stdout: '' })
})
