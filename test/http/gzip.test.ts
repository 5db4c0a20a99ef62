/** Lists that are gzipped for clients that accept it. */
import { expect, test } from 'vitest'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer()

test('long lists and manifests are gzipped if that is accepted, and short ones are sent as they are', async () => {
  const token = await server.token({ project: 'octo/lists', scope: 'write' })
  const tar = Array.from({ length: 100 }, (_, n) => ({ name: `d/file-${n}`, content: `${n}` }))
  const artifacts = '/api/v1/projects/octo/lists/runs/1/artifacts'
  const id = await server.put(`${artifacts}/one`, { token, tar })
  for (const name of ['two', 'three']) await server.put(`${artifacts}/${name}`, { token, tar })
  const at = async (path: string, coding: string): Promise<Response> =>
    await server.send(path, { token, headers: { 'accept-encoding': coding } })
  const artifact = `/api/v1/artifacts/${id}`
  for (const path of [
    '/api/v1/artifacts',
    `${artifact}/directory?path=d`,
    `${artifact}/sizes?path=d`,
    `${artifact}/manifest`,
    `/api/v1/compare?base=id:${id}&head=id:${id}`,
    '/api/v1/search?path=d/*',
    '/openapi.json',
    '/repos/octo/lists/actions/artifacts',
  ]) {
    const [plain, packed] = [await at(path, 'identity'), await at(path, 'gzip')]
    expect([path, plain.headers.get('vary'), plain.headers.get('content-encoding')]).toEqual([
      path,
      path.includes('/compare') ? 'Accept, Accept-Encoding' : 'Accept-Encoding',
      null,
    ])
    expect([path, packed.headers.get('content-encoding')]).toEqual([path, 'gzip'])
    expect(await packed.text()).toBe(await plain.text())
    // A strong ETag names the bytes as they are sent.
    const tag = plain.headers.get('etag')
    expect(packed.headers.get('etag')).toBe(tag && `${tag.slice(0, -1)};gzip"`)
  }
  const short = await at(`${artifact}/directory`, 'gzip')
  expect(short.headers.get('content-encoding')).toBeNull()
})
