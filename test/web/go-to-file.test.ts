/** The form "Go to file" without scripts. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()

test('leads to a file or a directory, whatever slashes surround its path', async () => {
  const tar = [{ name: 'a/b', content: 'x' }]
  const id = await server.put('7/site', { tar })
  const artifact = `/octo/app/actions/runs/7/artifacts/${id}`
  const leadsTo = async (path: string): Promise<string | null> => {
    const response = await server.send(`${artifact}/go?path=${path}`)
    return response.headers.get('location')
  }
  expect(await leadsTo('a/b')).toBe(`${artifact}/blob/a/b`)
  expect(await leadsTo('//a/b//')).toBe(`${artifact}/blob/a/b`)
  expect(await leadsTo('/a/')).toBe(`${artifact}/tree/a`)
  expect(await leadsTo('none')).toBe(`${artifact}/tree/none`)
  for (const root of ['', '/', '//']) expect(await leadsTo(root)).toBe(artifact)
})

test('the names of files are not sent again, also where a proxy has made their tag weak', async () => {
  const id = await server.put('8/site', { tar: [{ name: 'a/b', content: 'x' }] })
  const path = `/octo/app/actions/runs/8/artifacts/${id}/paths`
  const first = await server.send(path)
  expect(await first.text()).toBe('["a/b"]\n[]\n')
  const headers = { 'if-none-match': `W/${first.headers.get('etag')}` }
  expect((await server.send(path, { headers })).status).toBe(304)
})
