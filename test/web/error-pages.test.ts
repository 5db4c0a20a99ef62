/** Error pages lead back to what exists. */
import { beforeAll, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openSharedServer } from '../http/open-server.ts'

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
