/** A disk that accepts no writes: failed, read-only, or its permissions lost. */
import { expect, test } from 'vitest'
import { whileDiskRefuses } from '../refusing-disk.ts'
import { openServer } from './open-server.ts'

const server = await openServer()
const upload = { method: 'PUT', headers: { 'content-type': 'text/plain' }, body: 'two' }
const path = '/api/v1/projects/octo/app/runs/1/artifacts/two'

test('writes are refused with the reason, reads go on, and readiness says why, until the disk recovers', async () => {
  const id = await server.put('1/one', { body: 'one' })
  const get = async (url: string): Promise<[number, string]> => {
    const response = await server.send(url)
    return [response.status, await response.text()]
  }
  await whileDiskRefuses(async () => {
    for (const refused of [
      await server.send(path, upload),
      await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' }),
    ]) {
      expect(refused.status).toBe(503)
      expect(await refused.json()).toMatchObject({
        code: 'storage_failed',
        retryable: true,
        detail: expect.stringContaining('cannot be written: disk I/O error (SQLITE_IOERR_WRITE)'),
      })
    }
    expect(await get(`/api/v1/artifacts/${id}/files/one`)).toEqual([200, 'one'])
    expect(await get('/readyz')).toEqual([
      503,
      expect.stringContaining(`${server.dataDir} is inaccessible: file too large (EFBIG)`),
    ])
    expect((await get('/metrics'))[1]).toMatch(/^trove_store_writable 0$/m)
  })
  expect(await get('/readyz')).toEqual([200, 'ready\n'])
  expect((await get('/metrics'))[1]).toMatch(/^trove_failures_total\{code="storage_failed"\} 2$/m)
  expect((await server.send(path, upload)).status).toBe(201)
})
