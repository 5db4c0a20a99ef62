/** The address of the newest artifact of a name on a branch, as a link for downloads. */
import { unzipSync } from 'fflate'
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer({ TROVE_PUBLIC_PROJECTS: 'octo/open' })
const odd = 'odd [a]{b,c} \\*!'
beforeAll(async () => {
  for (const project of ['octo/open', 'octo/app'])
    for (const run of [1, 2]) {
      const token = await server.token({ project })
      const tar = [
        { name: 'top', content: `top ${run}` },
        { name: `${odd}/in`, content: `in ${run}` },
        { name: `${odd}/deep/er`, content: `deep ${run}` },
        { name: 'oddXa/in', content: 'not meant' },
      ]
      const path = `/api/v1/projects/${project}/runs/${run}/artifacts/site?branch=a%2Fb`
      await server.put(path, { token, tar })
    }
})

const latest = '/octo/open/latest/a%2Fb/site'

/** Follows the link as `curl -L` does. */
async function follow(path: string): Promise<Response> {
  const linked = await server.send(path, { token: null })
  expect([path, linked.status]).toEqual([path, 302])
  return await server.send(linked.headers.get('location') ?? '', { token: null })
}

/** The paths in a zip, in order. */
async function pathsOf(zip: Response): Promise<string[]> {
  return Object.keys(unzipSync(new Uint8Array(await zip.arrayBuffer()))).toSorted()
}

test('leads to the newest file', async () => {
  const file = await follow(`${latest}/top?download`)
  expect(file.headers.get('content-disposition')).toContain('attachment')
  expect(await file.text()).toBe('top 2')
  expect(await (await follow(`${latest}/top/?download`)).text()).toBe('top 2')
})

test('leads to the newest artifact, or to a directory of it, as an archive', async () => {
  const whole = await follow(`${latest}?download`)
  expect(await pathsOf(whole)).toEqual(
    [`${odd}/deep/er`, `${odd}/in`, 'oddXa/in', 'top'].toSorted(),
  )
  for (const end of ['', '/']) {
    const part = await follow(`${latest}/${encodeURIComponent(odd)}${end}?download=zip`)
    expect(await pathsOf(part)).toEqual([`${odd}/deep/er`, `${odd}/in`])
  }
  const packed = await follow(`${latest}?download=tar.gz`)
  expect(packed.headers.get('content-type')).toBe('application/gzip')
})

test('the page of a directory links to archives of it', async () => {
  const page = await follow(`${latest}/${encodeURIComponent(odd)}`)
  const links = [...(await page.text()).matchAll(/href="([^"]*archive[^"]*path=[^"]*)"/g)]
  expect(links).toHaveLength(2)
  const part = await server.send(links[0]![1]!, { token: null })
  expect(await pathsOf(part)).toEqual([`${odd}/deep/er`, `${odd}/in`])
})

test('what fails has a status for programs, and a page for people', async () => {
  const statusOf = async (path: string, accept = '*/*'): Promise<number> =>
    (await server.send(path, { token: null, headers: { accept } })).status
  const closed = '/octo/app/latest/a%2Fb/site?download'
  expect(await statusOf(closed)).toBe(401)
  expect(await statusOf(closed, 'text/html')).toBe(302)
  expect(await statusOf(`${latest}/none?download`)).toBe(404)
  expect(await statusOf('/octo/open/latest/other/site?download')).toBe(404)
  expect(await statusOf(`${latest}?download=rar`)).toBe(400)
})

test('needs a token where the project is not public', async () => {
  const token = await server.token()
  const linked = await server.send('/octo/app/latest/a%2Fb/site/top?download', { token })
  const file = await server.send(linked.headers.get('location') ?? '', { token })
  expect(await file.text()).toBe('top 2')
})
