/** Pages of an artifact whose zip is damaged. */
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { buildZip } from '../corpus/build-zip.ts'
import { openSharedServer } from '../http/open-server.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'

const server = await openSharedServer()
const content = 'alpha '.repeat(500)

test('a file can be downloaded from its page once another upload has healed it', async () => {
  const id = await server.put('1/build', {
    headers: { 'content-type': 'application/zip' },
    body: buildZip({ members: [{ name: 'a.txt', content }] }),
  })
  await spoil(join(server.dataDir, 'cas'), deflateRawSync(content))
  const file = `/api/v1/artifacts/${id}/files/a.txt`
  const page = async (): Promise<boolean[]> => {
    const text = await server.page(`/octo/app/actions/runs/1/artifacts/${id}/blob/a.txt`)
    return [text.includes(`${file}?download=1`), text.includes('of this file are damaged')]
  }
  expect((await server.send(file)).status).toBe(500)
  expect(await page()).toEqual([false, true])
  await server.put('1/again', { tar: [{ name: 'a.txt', content }] })
  expect(await (await server.send(file)).text()).toBe(content)
  const archive = await server.send(`/api/v1/artifacts/${id}/archive.zip`)
  expect(archive.status).toBe(500)
  expect((await server.send(`/api/v1/artifacts/${id}/archive.zip?intact`)).status).toBe(200)
  expect(await page()).toEqual([true, false])
  const artifact = await server.page(`/octo/app/actions/runs/1/artifacts/${id}`)
  expect(artifact).toContain('The stored bytes of 1 file are damaged.')
  expect(artifact).toContain('archive.zip?intact')
})
