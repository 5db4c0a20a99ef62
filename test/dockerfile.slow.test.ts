/** The health check of the image, run as the container would run it. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { check, start } from './image-health.ts'

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
