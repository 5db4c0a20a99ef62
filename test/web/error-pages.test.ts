/** Error pages lead back to what exists; the menu of all pages. */
import { beforeAll, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openSharedServer, problemOf } from '../http/open-server.ts'

const server = await openSharedServer()
let artifact: string
beforeAll(async () => {
  artifact = `/octo/app/actions/runs/7/artifacts/${await server.put('7/site')}`
})

/** The labels of the breadcrumbs, with the addresses that they lead to. */
async function crumbsOf(path: string, visitor: TokenRequest = {}): Promise<[string, string][]> {
  const response = await server.visit(path, visitor)
  expect(response.status).toBeGreaterThanOrEqual(400)
  const html = await response.text()
  const list = /<nav aria-label="Breadcrumb".*?<\/nav>/s.exec(html)?.[0] ?? ''
  return [...list.matchAll(/<a href="([^"]*)"[^>]*>(.*?)<\/a>/g)].map(([, href, label]) => [
    label!,
    href!,
  ])
}

const project = ['octo/app', '/octo/app']
const run = ['Run 7', '/octo/app/actions/runs/7']
const end = ['Not found', '']

test('a path that is not in an artifact leads back to the artifact', async () => {
  for (const path of [`${artifact}/blob/nope.txt`, `${artifact}/tree/nope`])
    expect(await crumbsOf(path)).toEqual([project, run, ['site', artifact], end])
})

test('an artifact or a run that does not exist leads back to the run or the project', async () => {
  expect(await crumbsOf('/octo/app/actions/runs/7/artifacts/99')).toEqual([project, run, end])
  expect(await crumbsOf('/octo/app/actions/runs/8')).toEqual([project, end])
  expect(await crumbsOf('/octo/app/actions/runs/8/artifacts/1')).toEqual([project, end])
  expect(await crumbsOf('/octo/app/compare/1...2')).toEqual([project, end])
})

test('nothing is said about a project that does not exist or that the visitor may not read', async () => {
  expect(await crumbsOf('/octo/nope/actions/runs/7')).toEqual([end])
  expect(await crumbsOf(`${artifact}/tree/nope`, { project: 'octo/other' })).toEqual([end])
  expect(await crumbsOf('/%00/x', { project: undefined, scope: 'admin' })).toHaveLength(1)
})

test('a missing path in a readable project is no reason to sign in with another token', async () => {
  const missing = await (await server.visit(`${artifact}/tree/nope`)).text()
  expect(missing).toContain('Artifact site has no &quot;nope&quot;.')
  expect(missing).not.toContain('token')
  const foreign = await server.visit(artifact, { project: 'octo/other' })
  expect(await foreign.text()).toContain('Sign in with another token')
  const nowhere = await server.visit('/octo/nope', { project: undefined, scope: 'admin' })
  expect(await nowhere.text()).not.toContain('another token')
})

test('the menu marks the page itself, and no other', async () => {
  const markedOn = async (path: string): Promise<string[]> => {
    const html = await server.page(path, { project: undefined, scope: 'admin' })
    const [menu = ''] = /<nav aria-label="Main".*?<\/nav>/s.exec(html) ?? []
    return Array.from(menu.matchAll(/<a href="([^"]*)" aria-current="page"/g), ([, href]) => href!)
  }
  for (const path of ['/find', '/admin/audit', '/account'])
    expect(await markedOn(`${path}?x=1`)).toEqual([path])
  expect(await markedOn('/octo/app')).toEqual([])
})

test('a download that fails is a page in browsers, and problem+json elsewhere', async () => {
  const id = await server.put('9/gone')
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
  const path = `/api/v1/artifacts/${id}/archive.zip`
  const headers = { accept: 'text/html,*/*;q=0.8' }
  const page = await server.visit(path, {}, { headers })
  expect(page.status).toBe(410)
  expect(await page.text()).toContain('<h1>This artifact was deleted</h1>')
  expect(await problemOf(await server.visit(path))).toMatchObject({ code: 'artifact_deleted' })
  const unknown = await server.send(path, { token: null, headers })
  expect(unknown.headers.get('location')).toBe(`/sign-in?next=${encodeURIComponent(path)}`)
})

test('without single sign-on the sign-in page asks for a token only', async () => {
  const other = await server.send('/sign-in/sso', { token: null })
  expect(other.headers.get('location')).toBe('/sign-in?next=%2Fsign-in%2Fsso')
  expect(await (await server.send('/sign-in', { token: null })).text()).not.toContain('Continue')
})

test('the sign-in page says in a sentence why a token is refused', async () => {
  const refused = await server.send('/sign-in?token=forged', { token: null })
  expect(refused.status).toBe(401)
  expect(await refused.text()).toMatch(/>\s*The token was not issued by this server\.\s*</)
})
