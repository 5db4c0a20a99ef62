/** `deploy/bring-artifacts`, which copies old artifacts from GitHub, in whose place stands a second
 *  store, and from GitLab, in whose place stands a server with its jobs API
 *  (docs.gitlab.com/api/jobs, docs.gitlab.com/api/job_artifacts). */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { builtUrl } from '../../src/program-files.ts'
import { zipOf } from '../actions/archives.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'
import { ghEnvironment } from './gh-environment.ts'
import { openStore } from './store.ts'

const dayMs = 86_400_000

const store = await openStore()
const github = await openStore({ TROVE_PUBLIC_URL: 'https://store.test' })
const scratch = await makeDirectory()
const script = fileURLToPath(new URL('../../deploy/bring-artifacts', import.meta.url))
const trove = fileURLToPath(builtUrl('cli/main.ts'))

/** Runs the script. Returns its stderr. */
async function copy(
  args: string[],
  environment: Record<string, string | undefined>,
): Promise<string> {
  const env = {
    ...environment,
    PATH: process.env['PATH'],
    HOME: scratch,
    TROVE_URL: store.url,
    TROVE_TOKEN: await store.token({ run: undefined, job: undefined, scope: 'write' }),
  }
  return (await promisify(execFile)(script, args, { cwd: scratch, env })).stderr
}

interface Listed {
  id: number
  run: string
  name: string
  branch: string | null
  sha: string | null
  expiresAt: string
}

async function artifactsOf(run: number): Promise<Listed[]> {
  const token = await store.token({ run: undefined, job: undefined, scope: 'read' })
  const url = `${store.url}/api/v1/artifacts?run=${run}&sort=oldest`
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  return ((await response.json()) as { items: Listed[] }).items
}

async function fileOf(run: number, name: string, path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(trove, ['cat', `${run}/${name}:${path}`], {
    env: {
      PATH: process.env['PATH'],
      TROVE_URL: store.url,
      TROVE_TOKEN: await store.token({ run: undefined, job: undefined, scope: 'read' }),
    },
  })
  return stdout
}

function daysLeft({ expiresAt }: Listed): number {
  return Math.round((Date.parse(expiresAt) - Date.now()) / dayMs)
}

test('artifacts at GitHub are copied with run, branch, commit and the days that are left', async () => {
  const put = async (token: string, place: string, body: Buffer): Promise<void> => {
    const response = await fetch(`${github.url}/api/v1/projects/octo/demo/runs/${place}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/zip' },
      body,
    })
    expect([place, response.status]).toEqual([place, 201])
  }
  const sha = 'c'.repeat(40)
  const known = await github.token({ run: 71, branch: 'main', sha })
  await put(known, '71/artifacts/two words?retentionDays=20', zipOf({ 'a/.hidden': 'one' }))
  await put(known, '71/artifacts/docs?retentionDays=3', zipOf({ 'index.html': '<p>' }))
  const unknown = await github.token({ run: 72 })
  await put(unknown, '72/artifacts/docs', zipOf({ 'index.html': '<b>' }))

  const environment = { ...(await ghEnvironment(github, scratch)), NO_PROXY: '127.0.0.1' }
  await copy(['github', 'octo/demo'], environment)

  const copied = await artifactsOf(71)
  expect(copied).toMatchObject([
    { name: 'two words', branch: 'main', sha },
    { name: 'docs', branch: 'main', sha },
  ])
  expect(copied.map(daysLeft)).toEqual([20, 3])
  expect(await artifactsOf(72)).toMatchObject([{ name: 'docs', branch: null, sha: null }])
  expect(await fileOf(71, 'two words', 'a/.hidden')).toBe('one')
  expect(await fileOf(72, 'docs', 'index.html')).toBe('<b>')
  expect(await copy(['github', 'octo/demo'], environment)).toBe('')
  const again = await artifactsOf(71)
  expect(again.map(({ id }) => id)).toEqual(copied.map(({ id }) => id))
})

test('artifacts at GitLab are copied by job; one that cannot be fetched does not stop the rest', async () => {
  const commit = { id: 'd'.repeat(40) }
  const expiry = new Date(Date.now() + 9.5 * dayMs).toISOString()
  // GitLab removes what has expired some time later.
  const over = new Date(Date.now() - dayMs / 24).toISOString()
  const archive = { filename: 'artifacts.zip', size: 1000 }
  const job = { pipeline: { id: 81 }, ref: 'main', commit, artifacts_file: archive }
  const pages = [
    [
      { ...job, id: 4, name: 'test: [18]', artifacts_expire_at: expiry },
      { ...job, id: 3, name: 'gone', artifacts_expire_at: expiry },
    ],
    [
      { id: 2, name: 'lint', pipeline: { id: 81 }, ref: 'main', commit },
      { ...job, id: 1, name: 'build', artifacts_expire_at: null },
      { ...job, id: 5, name: 'old', artifacts_expire_at: '2020-01-01T00:00:00.123Z' },
      { ...job, id: 6, name: 'over', artifacts_expire_at: over },
    ],
  ]
  const archives = new Map([
    ['1', zipOf({ 'dist/app.js': 'app' })],
    ['4', zipOf({ 'junit.xml': '<testsuites/>' })],
    ['6', zipOf({ 'junit.xml': '<testsuites/>' })],
  ])
  const gitlab = createServer((request, response) => {
    const url = new URL(request.url!, 'http://gitlab')
    const [, id] = /^\/api\/v4\/projects\/octo%2Fapp\/jobs(?:\/(\d+)\/artifacts)?$/.exec(
      url.pathname,
    ) ?? [undefined, '0']
    if (request.headers['private-token'] !== 'secret') response.writeHead(401).end()
    else if (id === undefined)
      response.end(JSON.stringify(pages[Number(url.searchParams.get('page')) - 1] ?? []))
    else if (archives.has(id)) response.end(archives.get(id))
    else response.writeHead(404).end()
  })
  const url = await listen(gitlab)
  const settings = { GITLAB_TOKEN: 'secret', TROVE_PROJECT: 'octo/demo' }
  const stderr = await copy(['gitlab', url, 'octo/app'], settings)

  expect(stderr).toContain('not copied: 81/gone\n')
  expect(stderr).not.toContain('81/over')
  const copied = await artifactsOf(81)
  expect(copied).toMatchObject([
    { name: 'build', branch: 'main', sha: commit.id },
    { name: 'test- [18]', branch: 'main', sha: commit.id },
  ])
  expect(copied.map(daysLeft)).toEqual([90, 10])
  expect(await fileOf(81, 'build', 'dist/app.js')).toBe('app')
  const refused = copy(['gitlab', url, 'octo/app'], { ...settings, GITLAB_TOKEN: 'wrong' })
  await expect(refused).rejects.toThrow('401')
})
