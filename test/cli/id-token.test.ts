/** Commands in a CI job that has an ID token but no secret. */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readTokenClaims } from '../../src/core/access/token-claims.ts'
import { makeDirectory } from '../client/tree.ts'
import { gitHubClaims, gitLabClaims, type Issuer, openIssuer } from '../http/issuer.ts'
import { openServer, type TestServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

let issuer: Issuer
let server: TestServer
const home = await makeDirectory()
/** Relays to the server from an address that is known before the server starts, since ID tokens
 *  name that as audience. */
let door: Server
let url: string
beforeAll(async () => {
  door = createServer((socket) => {
    const inside = connect(Number(new URL(server.url).port), '127.0.0.1')
    pipeline(socket, inside, socket, () => {})
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
  issuer = await openIssuer(url)
  issuer.job = gitHubClaims
  server = await openServer({
    TROVE_PUBLIC_URL: url,
    TROVE_OIDC: `${issuer.url}=octo/* ${issuer.url}=acme/**`,
  })
})
afterAll(async () => {
  door.close()
  await server.close()
  await issuer.close()
})

async function trove(args: string[], environment: Record<string, string>): Promise<Outcome> {
  const place = { HOME: home, TROVE_DATA: join(home, 'none'), TROVE_URL: url }
  return await runTroveInside(args, { ...place, ...environment })
}

test("GitLab: `trove upload` and other commands work with the job's ID token", async () => {
  const job = { TROVE_ID_TOKEN: await issuer.sign(gitLabClaims) }
  const sent = await trove(['upload', 'readme', 'README.md', '--json'], job)
  expect(sent).toMatchObject({ status: 0 })
  const listed = await trove(['list', '--run', '739', '--json'], job)
  expect(JSON.parse(listed.text)).toMatchObject([
    { name: 'readme', project: 'octo/app', job: '10215', branch: 'main', event: 'push' },
  ])
  expect(await trove(['rm', '739/readme'], job)).toMatchObject({ status: 0 })
})

test('GitLab: a project in subgroups keeps its name in commands and has one URL', async () => {
  const project = 'acme/platform/api'
  const claims = { ...gitLabClaims, project_path: project }
  const job = {
    TROVE_ID_TOKEN: await issuer.sign(claims),
    CI_PROJECT_PATH: project,
    CI_PIPELINE_ID: '739',
    CI_COMMIT_REF_NAME: 'main',
  }
  expect(await trove(['upload', 'readme', 'README.md'], job)).toMatchObject({ status: 0 })
  const listed = await trove(['list', '--json'], job)
  expect(JSON.parse(listed.text)).toMatchObject([{ name: 'readme', project }])
  for (const reference of [`${project}@739/readme`, '739/readme', 'latest:main/readme'])
    expect((await trove(['ls', reference], job)).text).toContain('README.md')
  const page = await trove(['url', `${project}@739/readme`], job)
  expect(page.text).toContain(`${url}/acme~platform/api/actions/runs/739/artifacts/`)
  const signed = await trove(['url', '739/readme', '--sign'], job)
  expect((await fetch(signed.text.trim())).status).toBe(200)
  const found = await trove(['find', 'README.md'], job)
  expect(found.text).toContain(project)
  expect(await trove(['rm', '739/readme'], job)).toMatchObject({ status: 0 })
})

test('the URL form of a project is not accepted as its name', async () => {
  const outcome = await trove(['list', '--project', 'acme~platform/api'], {})
  expect(outcome).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(
      '--project is not a valid project: "acme~platform/api" ("~" stands for "/" only in URLs: write acme/platform/api)',
    ),
  })
})

test('GitHub: an ID token is requested with the server as audience', async () => {
  const job = {
    ACTIONS_ID_TOKEN_REQUEST_URL: issuer.requestUrl,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: issuer.requestToken,
    GITHUB_JOB: 'build',
  }
  const minted = await trove(['token'], job)
  expect(minted).toMatchObject({ status: 0, stderr: '' })
  const { project, run } = readTokenClaims(minted.text.trim())
  expect([project, String(run)]).toEqual([gitHubClaims.repository, gitHubClaims.run_id])
  expect(await trove(['list'], { ...job, TROVE_URL: server.url })).toMatchObject({
    status: 5,
    stderr: expect.stringContaining(`issued for the audience ${url}`),
  })
  const stranger = { ...job, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'other' }
  expect(await trove(['list'], stranger)).toMatchObject({
    status: 10,
    stderr: expect.stringContaining(issuer.url),
  })
})

test('a token for a pull request has the facts of the ID token, completed by those of the job', async () => {
  const event = join(home, 'event.json')
  await writeFile(event, '{"pull_request":{"number":34,"head":{"sha":"head"}}}')
  const claims = { ...gitHubClaims, event_name: 'pull_request', ref: 'refs/pull/34/merge' }
  const job = {
    TROVE_ID_TOKEN: await issuer.sign(claims),
    GITHUB_JOB: 'build',
    GITHUB_EVENT_NAME: 'pull_request',
    GITHUB_EVENT_PATH: event,
    GITHUB_RUN_NUMBER: '7',
    GITHUB_ACTOR: 'mallory',
  }
  const { text } = await trove(['token'], job)
  expect(JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString())).toMatchObject({
    ordinal: 42,
    pullRequest: 34,
    headSha: 'head',
    actor: 'octocat',
  })
})

test('`trove token` mints what stock actions in a job need', async () => {
  const job = { TROVE_ID_TOKEN: await issuer.sign(gitLabClaims) }
  const minted = await trove(['token', '--job', 'build'], job)
  expect(minted.status).toBe(0)
  expect(readTokenClaims(minted.text.trim())).toEqual({ project: 'octo/app', run: 739 })
  expect(await trove(['token', '--scope', 'write'], job)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('scope job or run'),
  })
})

test('a given token takes precedence over an ID token', async () => {
  const job = { TROVE_ID_TOKEN: 'not.a.token', TROVE_TOKEN: await server.token() }
  expect(await trove(['list'], job)).toMatchObject({ status: 0 })
  expect(await trove(['list'], { TROVE_ID_TOKEN: 'not.a.token' })).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('not an ID token'),
  })
})

test('`trove whoami` names the ID token, and what it is exchanged for', async () => {
  const job = { TROVE_ID_TOKEN: await issuer.sign(gitLabClaims) }
  const shown = await trove(['whoami', '--json'], job)
  expect(shown).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(shown.text)).toMatchObject({
    tokenFrom: 'ID token',
    scope: 'job',
    project: 'octo/app',
    run: 739,
  })
  expect(await trove(['whoami'], { TROVE_ID_TOKEN: 'not.a.token' })).toMatchObject({
    status: 5,
    stderr: expect.stringContaining(
      '(exchanged for the ID token of this job): this is not an ID token',
    ),
  })
})
