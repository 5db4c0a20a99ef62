/** `trove token --outputs`: what GitHub's actions need in a job, whatever its runner sets. */
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../client/tree.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'

let server: TestServer
const directory = await makeDirectory()
const outputs = join(directory, 'outputs')
beforeAll(async () => {
  server = await openServer()
})
afterAll(async () => {
  await server.close()
})

async function askFor(args: string[], environment: Record<string, string> = {}) {
  return await runTroveInside(['token', '--url', server.url, '--outputs', ...args], {
    TROVE_TOKEN: await server.token({ scope: 'write', run: undefined, job: undefined }),
    GITHUB_REPOSITORY: 'octo/app',
    GITHUB_RUN_ID: '42',
    GITHUB_JOB: 'build',
    GITHUB_OUTPUT: outputs,
    ...environment,
  })
}

test('they name the store and a job token, which is masked, to an action', async () => {
  const asked = await askFor([])
  const { token = '', 'node-options': options = '' } = Object.fromEntries(
    (await readFile(outputs, 'utf8')).split('\n').map((line) => line.split(/=(.*)/)),
  ) as Record<string, string>
  expect(asked).toMatchObject({ status: 0, text: `::add-mask::${token}\n`, stderr: '' })
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
  expect(claims).toMatchObject({ scope: 'job', scp: 'Actions.Results:42:build' })
  expect(options).toContain(token)
  // What GitHub's runner and a forge would have set.
  const theirs = {
    ACTIONS_RESULTS_URL: 'https://results.example',
    ACTIONS_RUNTIME_TOKEN: 'theirs',
    GITHUB_API_URL: 'https://forge.example/api/v3',
    GITHUB_SERVER_URL: 'https://forge.example',
  }
  const seen = execFileSync(process.execPath, ['-p', 'JSON.stringify(process.env)'], {
    env: { ...theirs, NODE_OPTIONS: `--max-old-space-size=512 ${options}` },
    encoding: 'utf8',
  })
  expect(JSON.parse(seen)).toMatchObject({
    ACTIONS_RESULTS_URL: server.url,
    ACTIONS_RUNTIME_TOKEN: token,
    GITHUB_API_URL: server.url,
    GITHUB_SERVER_URL: 'https://github.com',
  })
})

test.each([
  ['outside a workflow', [], { GITHUB_OUTPUT: '' }, 'GITHUB_OUTPUT'],
  ['as JSON', ['--json'], {}, '--json'],
  ["for a person's token", ['--scope', 'read'], {}, 'scope job or run'],
  ['for several projects', ['--projects', 'octo/*'], {}, 'scope job or run'],
  ['without a run', [], { GITHUB_RUN_ID: '', GITHUB_JOB: '' }, 'needs a run and a job'],
])('they are refused %s', async (_case, args, environment, reason) => {
  const { status, text, stderr } = await askFor(args, environment)
  expect({ status, text, stderr }).toMatchObject({
    status: expect.toSatisfy((code: number) => code === 2 || code === 5),
    text: '',
    stderr: expect.stringContaining(reason),
  })
})
