/** Artifacts of pull requests and of tags are not mistaken for those of the project's branches, and
 *  pages mark those of pull requests. */
import { expect, test } from 'vitest'
import { isOfPullRequest } from '../../src/core/run/run.ts'
import { runTroveInside } from '../cli/run-inside.ts'
import { namesIn } from './dav-request.ts'
import { openSharedServer } from './open-server.ts'

const server = await openSharedServer()

async function put(
  run: number,
  name: string,
  facts: { branch: string; event?: string },
): Promise<number> {
  const query = new URLSearchParams({ ...facts, retentionDays: '7' })
  return await server.put(`${run}/${name}?${query.toString()}`, {
    tar: [
      { name: 'index.html', content: `<h1>Run ${run}</h1>` },
      { name: 'notes.txt', content: `of run ${run}` },
    ],
  })
}

async function latest(branch: string, name: string): Promise<{ id: number; status: number }> {
  const response = await server.visit(`/octo/app/latest/${branch}/${name}`)
  const [, id] = /artifacts\/(\d+)$/.exec(response.headers.get('location') ?? '') ?? []
  return { id: Number(id ?? 0), status: response.status }
}

async function pageOf(path: string): Promise<string> {
  return await (await server.visit(path)).text()
}

test('events of code that was not merged', () => {
  const told = (event: string | null): boolean => isOfPullRequest({ event })
  const ofPullRequests = ['pull_request', 'pull_request_target', 'merge_request_event']
  expect(ofPullRequests.map(told)).toEqual([true, true, true])
  expect(['push', 'schedule', null].map(told)).toEqual([false, false, false])
})

test("the latest of a branch is the project's own, whatever branch name a pull request uses", async () => {
  const own = await put(1, 'build', { branch: 'main', event: 'push' })
  const foreign = await put(2, 'build', { branch: 'main', event: 'pull_request' })
  expect(foreign).toBeGreaterThan(own)
  expect(await latest('main', 'build')).toEqual({ id: own, status: 302 })
  // When it is deleted, that is reported; no artifact of a pull request replaces it.
  await server.send(`/api/v1/artifacts/${own}`, { method: 'DELETE' })
  expect((await latest('main', 'build')).status).toBe(410)
  const manual = await put(3, 'build', { branch: 'main' })
  expect(await latest('main', 'build')).toEqual({ id: manual, status: 302 })
})

test('commands use the same meaning of `latest`, also for deleted artifacts', async () => {
  const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
  const trove = async (...args: string[]): Promise<string> => {
    const { status, text, stderr } = await runTroveInside(args, access)
    return `${status} ${text}${stderr}`
  }
  const own = await put(7, 'site', { branch: 'main', event: 'push' })
  const foreign = await put(8, 'site', { branch: 'main', event: 'pull_request' })
  expect(await trove('cat', 'latest:main/site:notes.txt')).toBe('0 of run 7')
  expect(await trove('keep', 'latest:main/site')).toMatch(`0 id:${own} `)
  await trove('rm', `id:${own}`)
  await trove('rm', `id:${foreign}`)
  expect(await trove('cat', 'latest:main/site:notes.txt')).toMatch(
    /^4 .*was deleted by a person at/,
  )
  expect(await trove('rm', '--undo', 'latest:main/site')).toMatch(`0 id:${own} site restored`)
  await put(9, 'site', { branch: 'topic', event: 'pull_request' })
  expect(await trove('cat', 'latest:topic/site:notes.txt')).toBe('0 of run 9')
})

test('a branch built only by pull requests is read from them', async () => {
  const first = await put(4, 'build', { branch: 'feature', event: 'pull_request' })
  expect(await latest('feature', 'build')).toEqual({ id: first, status: 302 })
})

test('a tag is not mistaken for a branch of its name, and is found by its name if there is none', async () => {
  const branch = await put(10, 'docs', { branch: 'v1', event: 'push' })
  const tag = await put(11, 'docs', { branch: 'refs/tags/v1', event: 'push' })
  await put(12, 'docs', { branch: 'v2', event: 'pull_request' })
  const release = await put(13, 'docs', { branch: 'refs/tags/v2', event: 'push' })
  expect(await latest('v1', 'docs')).toEqual({ id: branch, status: 302 })
  expect(await latest('refs%2Ftags%2Fv1', 'docs')).toEqual({ id: tag, status: 302 })
  expect(await latest('v2', 'docs')).toEqual({ id: release, status: 302 })
  const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
  const cat = async (reference: string): Promise<string> =>
    (await runTroveInside(['cat', reference], access)).text
  expect(await cat('latest:v2/docs:notes.txt')).toBe('of run 13')
  expect(await cat('latest:refs/tags/v1/docs:notes.txt')).toBe('of run 11')
  expect(await namesIn(server, '/dav/octo/app/latest/v2/docs/')).toContain('notes.txt')
  await put(14, 'docs', { branch: 'refs/tags/v3' })
  expect(await namesIn(server, '/dav/octo/app/latest/v3/')).toEqual(['docs/'])
})

test('pages mark it as untrusted, and show its HTML only after a confirmation', async () => {
  const foreign = await put(5, 'report', { branch: 'feature', event: 'pull_request' })
  const own = await put(6, 'report', { branch: 'main', event: 'push' })
  const at = (run: number, id: number, rest = ''): string =>
    `/octo/app/actions/runs/${run}${id === 0 ? '' : `/artifacts/${id}`}${rest}`
  const warning = /This comes from a pull request\./
  for (const path of [at(5, 0), at(5, foreign), at(5, foreign, '/blob/notes.txt')]) {
    expect(await pageOf(path)).toMatch(warning)
  }
  for (const path of [at(6, 0), at(6, own), at(6, own, '/blob/notes.txt')]) {
    expect(await pageOf(path)).not.toMatch(warning)
  }
  expect(await pageOf(at(6, own, '/blob/index.html'))).toContain('<iframe')
  const asked = await pageOf(at(5, foreign, '/blob/index.html'))
  expect(asked).not.toContain('<iframe')
  const [, link] = /href="([^"]*confirmed=1)"/.exec(asked) ?? []
  const confirmed = await pageOf(link!)
  expect(confirmed).toContain('<iframe')
  expect(confirmed).toMatch(warning)
})
