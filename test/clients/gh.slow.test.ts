/** GitHub's command line client against a store. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { zipOf } from '../actions/archives.ts'
import { failedRun, recordRun } from '../actions/record-run.ts'
import { makeDirectory } from '../client/tree.ts'
import { ghEnvironment } from './gh-environment.ts'
import { openStore } from './store.ts'

const store = await openStore({ TROVE_PUBLIC_URL: 'https://store.test' })
const scratch = await makeDirectory()

/** Run 1 failed and has an artifact of each kind. Of run 2 only the number is known. */
beforeAll(async () => {
  const facts = { workflow: 'CI', branch: 'main', event: 'push', sha: 'c'.repeat(40) }
  const token = await store.token({ run: 1, ordinal: 12, actor: 'octocat', ...facts })
  await recordRun({ url: store.url, token }, 1, failedRun)
  await put(token, '1/artifacts/site', 'application/zip', zipOf({ 'index.html': '<p>' }))
  await put(token, '1/artifacts/notes?filename=notes.txt', 'text/plain', Buffer.from('one file'))
  const unknown = await store.token({ run: 2 })
  await put(unknown, '2/artifacts/other?filename=a', 'text/plain', Buffer.from('x'))
})

async function put(token: string, place: string, type: string, body: Buffer): Promise<void> {
  const response = await fetch(`${store.url}/api/v1/projects/octo/demo/runs/${place}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body,
  })
  expect([place, response.status]).toEqual([place, 201])
}

interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs gh with the setup from the README. */
async function openGh(): Promise<(...args: string[]) => Promise<Ended>> {
  const env = await ghEnvironment(store, scratch)
  return async (...args) => {
    const ended = promisify(execFile)('gh', args, { cwd: scratch, env })
    return await ended.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: Ended) => ({ code, stdout, stderr }),
    )
  }
}

test('gh lists runs and filters them by their properties', async () => {
  const gh = await openGh()
  const listed = async (...filter: string[]): Promise<unknown> => {
    const fields = 'databaseId,number,workflowName,status,conclusion,url'
    const { code, stdout, stderr } = await gh('run', 'list', '--json', fields, ...filter)
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout)
  }
  const page = 'https://store.test/octo/demo/actions/runs'
  const nothing = { number: 0, workflowName: '', status: '', conclusion: '' }
  const unknown = { databaseId: 2, ...nothing, url: `${page}/2` }
  const failed = {
    databaseId: 1,
    number: 12,
    workflowName: 'CI',
    status: 'completed',
    conclusion: 'failure',
    url: `${page}/1`,
  }
  expect(await listed()).toEqual([unknown, failed])
  for (const filter of [
    ['--workflow', 'CI'],
    ['--branch', 'main', '--event', 'push'],
    ['--commit', 'c'.repeat(40)],
    ['--user', 'octocat'],
    ['--status', 'failure', '--created', '>=2026-01-01'],
  ])
    expect(await listed(...filter)).toEqual([failed])
  expect(await listed('--status', 'success')).toEqual([])
  expect(await gh('workflow', 'list')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^CI\tactive\t\d+\n$/),
  })
})

test('gh shows a run with its jobs, steps and artifacts, and a run about which nothing is known', async () => {
  const gh = await openGh()
  const shown = await gh('run', 'view', '1', '--verbose')
  expect(shown.code).toBe(0)
  for (const text of ['X main CI · 1', 'X test / unit in 2s', 'X npm test', 'site', 'notes'])
    expect(shown.stdout).toContain(text)
  expect(shown.stdout).toContain('X two is not three\ntest / unit: a.test.js#7\n')
  const { jobs } = JSON.parse((await gh('run', 'view', '1', '--json', 'jobs')).stdout) as {
    jobs: { databaseId: number; name: string }[]
  }
  expect(jobs.map(({ name }) => name)).toEqual(['test / unit', 'deploy'])
  const job = String(jobs[0]!.databaseId)
  expect((await gh('run', 'view', '--job', job)).stdout).toContain('X npm test')
  const failed = (await gh('run', 'view', '1', '--log-failed')).stdout
  expect(failed).toMatch(/^test \/ unit\tnpm test\t\S+Z this is npm test\n$/)
  expect((await gh('run', 'view', '--job', job, '--log')).stdout).toContain('this is npm ci\n')
  const log = await gh('api', `repos/octo/demo/actions/jobs/${job}/logs`)
  expect(log.stdout).toContain('this is npm test\n')
  expect(await gh('run', 'watch', '1', '--exit-status')).toMatchObject({ code: 1 })
  expect(await gh('run', 'view', '2')).toMatchObject({ code: 0 })
})

test('gh downloads the artifacts of a run, including a single file', async () => {
  const gh = await openGh()
  expect(await gh('run', 'download', '1', '--dir', 'all')).toMatchObject({ code: 0, stderr: '' })
  expect(await readFile(join(scratch, 'all/site/index.html'), 'utf8')).toBe('<p>')
  expect(await readFile(join(scratch, 'all/notes/notes.txt'), 'utf8')).toBe('one file')
  expect(await gh('run', 'download', '--name', 'other', '--dir', 'one')).toMatchObject({ code: 0 })
  expect(await readFile(join(scratch, 'one/a'), 'utf8')).toBe('x')
})
