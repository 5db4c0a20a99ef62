/** `trove revoke`. */
import { expect, test } from 'vitest'
import { openRunServer } from '../../src/cli/run/workflow-server.ts'
import { startFlakyProxy } from '../client/flaky-proxy.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()

async function revoke(stdin: string): Promise<Outcome> {
  // The token in the environment is not needed, so it is not read.
  const environment = { TROVE_URL: server.url, TROVE_TOKEN_FILE: '/absent' }
  return await runTroveInside(['revoke'], environment, undefined, stdin)
}

async function isRefused(token: string): Promise<boolean> {
  return (await server.send('/api/v1/artifacts', { token })).status === 401
}

test('revokes the token on stdin, and no other', async () => {
  const token = await server.token({ scope: 'job', run: 7, job: 'build' })
  const twin = await server.token({ scope: 'job', run: 7, job: 'build' })
  const outcome = await revoke(`${token}\n`)
  expect(outcome).toMatchObject({ status: 0 })
  expect(outcome.stderr).toContain('a token of scope job of octo/app, run 7, job build')
  expect([await isRefused(token), await isRefused(twin)]).toEqual([true, false])
})

test('names the projects of a token for several', async () => {
  const projects = 'octo/* acme/lib'
  const token = await server.token({ project: undefined, projects, scope: 'read' })
  const outcome = await revoke(token)
  expect(outcome.stderr).toContain('a token of scope read of octo/*, acme/lib')
  expect(await isRefused(token)).toBe(true)
})

test('rejects input that is not a token', async () => {
  expect(await revoke('')).toMatchObject({ status: 2 })
  expect(await revoke('x'.repeat(20_000))).toMatchObject({ status: 2 })
  expect(await revoke('x')).toMatchObject({ status: 5 })
})

test('revokes all tokens of a project, with permission to write to it', async () => {
  const environment = { TROVE_URL: server.url }
  const args = ['revoke', '--project', 'octo/app', '--json']
  const reader = await server.token({ scope: 'read' })
  const refused = await runTroveInside(args, { ...environment, TROVE_TOKEN: reader })
  expect(refused).toMatchObject({ status: 6 })
  const writer = await server.token()
  const outcome = await runTroveInside(args, { ...environment, TROVE_TOKEN: writer })
  expect(outcome).toMatchObject({ status: 0 })
  expect(JSON.parse(outcome.text)).toMatchObject({ project: 'octo/app' })
  expect([await isRefused(reader), await isRefused(writer)]).toEqual([true, true])
})

test('revokes a token by the id that `trove token list` shows', async () => {
  // Tokens issued before the last revocation are invalid.
  server.clock.now += 1
  const environment = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
  const minting = ['token', '--url', server.url, '--scope', 'read', '--expires', '1h']
  const minted = await runTroveInside([...minting, '--project', 'octo/app'], environment)
  expect(minted).toMatchObject({ status: 0 })
  const listed = await runTroveInside(['token', 'list'], environment)
  expect(listed).toMatchObject({ status: 0 })
  const line = /^([0-9a-f]{32}) +octo\/app +read +.* a person +.* valid$/m.exec(listed.text)
  const [, id = ''] = line ?? []
  const json = await runTroveInside(['token', 'list', '--json'], environment)
  expect(JSON.parse(json.text)).toMatchObject([{ id, state: 'valid' }])
  expect(await runTroveInside(['revoke', '--id', id], environment)).toMatchObject({ status: 0 })
  expect(await isRefused(minted.text.trim())).toBe(true)
  expect(await runTroveInside(['revoke', '--id', 'none'], environment)).toMatchObject({ status: 3 })
  expect(await runTroveInside(['token', 'lists'], environment)).toMatchObject({ status: 2 })
})

test('a token is minted though connections break', async () => {
  server.clock.now += 1
  const flaky = await startFlakyProxy(server.url)
  const environment = { TROVE_TOKEN: await server.token() }
  const args = ['token', '--url', flaky.url, '--scope', 'read', '--project', 'octo/app']
  flaky.cutNext(2, () => 0)
  const minted = await runTroveInside(args, environment)
  expect(minted).toMatchObject({ status: 0 })
  expect(await isRefused(minted.text.trim())).toBe(false)
})

test('`trove run` gets the tokens of its jobs though connections break', async () => {
  const flaky = await startFlakyProxy(server.url)
  const access = { url: flaky.url, token: await server.token() }
  const { mint } = await openRunServer({ access, isGiven: true, data: undefined })
  flaky.cutNext(2, () => 0)
  const token = await mint({ project: 'octo/app', run: 8, job: 'test', scope: 'job' })
  expect(await isRefused(token)).toBe(false)
})
