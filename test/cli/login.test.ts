/** `trove login`, `logout` and `whoami` of a user with a home of their own. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { connect, createServer as createDoor } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { promisify } from 'node:util'
import { beforeEach, expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runInTerminal } from './in-terminal.ts'
import { runTroveInside } from './run-inside.ts'
import { mainProgram, type Outcome, runTrove, startTrove } from './run-trove.ts'

const server = await openSharedServer()
const folder = await makeDirectory()

let home: string
beforeEach(async () => {
  home = await makeDirectory()
})

const storePath = (): string => join(home, 'trove', 'logins.json')

async function trove(
  args: string[],
  { stdin = '', ...environment }: Record<string, string> = {},
  run = runTroveInside,
): Promise<Outcome> {
  return await run(args, { XDG_CONFIG_HOME: home, ...environment }, folder, stdin)
}

async function logIn(
  request: TokenRequest = {},
  url = server.url,
  run = runTroveInside,
): Promise<string> {
  const token = await server.token({ expiresInSeconds: 30 * 86_400, ...request })
  expect(await trove(['login', url], { stdin: `${token}\n` }, run)).toMatchObject({ status: 0 })
  return token
}

async function whoami(environment: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const outcome = await trove(['whoami', '--json'], environment)
  expect(outcome).toMatchObject({ status: 0 })
  return JSON.parse(outcome.text) as Record<string, unknown>
}

test('a token from stdin is checked and stored for the user alone; commands then need nothing else', async () => {
  const token = await server.token({ expiresInSeconds: 30 * 86_400 })
  const outcome = await trove(['login', `${server.url}/`], { stdin: `${token}\n` }, runTrove)
  expect(outcome).toMatchObject({ status: 0, text: '' })
  expect(outcome.stderr).toMatch(
    /: scope write of octo\/app, expires \d{4}-\d\d-\d\d \d\d:\d\d UTC \(in 30 days\)\n/,
  )
  expect(outcome.stderr).toContain(storePath())
  expect(outcome.stderr).not.toContain(token)
  expect((await stat(join(home, 'trove'))).mode & 0o777).toBe(0o700)
  expect((await stat(storePath())).mode & 0o777).toBe(0o600)
  expect(await readdir(join(home, 'trove'))).toEqual(['logins.json'])
  await writeFile(join(folder, 'a.txt'), 'a')
  const uploaded = await trove(['upload', 'mine', 'a.txt', '--run', '1', '--job', 'x'])
  expect(uploaded).toMatchObject({ status: 0 })
  expect((await trove(['ls', '1/mine'])).text).toBe('a.txt\n')
})

test('a signal ends the wait for a token on stdin', async () => {
  const child = startTrove(['login', server.url], { XDG_CONFIG_HOME: home })
  await once(child.stderr, 'data')
  child.kill('SIGTERM')
  expect((await once(child, 'close'))[0]).toBe(130)
})

test('one login takes the place of another for the same server, and says of which', async () => {
  await logIn({ scope: 'read' })
  const stdin = await server.token({ project: 'octo/other' })
  const outcome = await trove(['login', server.url], { stdin })
  expect(outcome.stderr).toContain('this replaces a token of scope read of octo/app')
  expect(await whoami()).toMatchObject({ project: 'octo/other', tokenFrom: 'login' })
})

test('whoami says where server and token come from, what the token may do, and until when', async () => {
  await logIn({ scope: 'read', expiresInSeconds: 5 * 3600 })
  const shown = await trove(['whoami'])
  expect(shown).toMatchObject({ status: 0, stderr: '' })
  expect(shown.text).toMatch(/^server +http.*, the default server of `trove login`$/m)
  expect(shown.text).toMatch(/^token +stored by `trove login`$/m)
  expect(shown.text).toMatch(/^may +read: reads octo\/app$/m)
  expect(shown.text).toMatch(/^expires .* \(in 5 hours\)$/m)
  const variables = await server.access({ scope: 'job', run: 7, attempt: 2, job: 'build' })
  expect(await whoami(variables)).toMatchObject({
    url: server.url,
    urlFrom: 'TROVE_URL',
    tokenFrom: 'TROVE_TOKEN',
    scope: 'job',
    project: 'octo/app',
    run: 7,
    attempt: 2,
    job: 'build',
  })
  const text = (await trove(['whoami'], variables)).text
  expect(text).toContain('job: uploads to run 7, attempt 2, as job build;')
})

test('the time left of a token is by the clock of the server', async () => {
  const told = { id: 'x', scope: 'read', project: 'octo/app', run: null, attempt: null, job: null }
  const token = { ...told, expiresAt: '2040-01-06T00:00:00.000Z', serverVersion: '1' }
  const { url } = await listening((_, answer) => {
    answer.setHeader('date', 'Sun, 01 Jan 2040 00:00:00 GMT')
    answer.end(JSON.stringify(token))
  })
  const { stderr } = await trove(['login', url], { stdin: await server.token() })
  expect(stderr).toContain('expires 2040-01-06 00:00 UTC (in 5 days)')
  expect((await trove(['whoami'])).text).toContain('2040-01-06 00:00 UTC (in 5 days)')
})

test('a token can come from a pipe of the shell', async () => {
  const script = 'TROVE_TOKEN_FILE=<(sleep 0.1; echo "$TOKEN") exec "$0" "$1" whoami --json'
  const { PATH = '' } = process.env
  const env = { PATH, TROVE_URL: server.url, TOKEN: await server.token({ scope: 'read' }) }
  const words = ['-c', script, process.execPath, mainProgram]
  const { stdout } = await promisify(execFile)('bash', words, { env })
  expect(JSON.parse(stdout)).toMatchObject({ scope: 'read', tokenFrom: 'TROVE_TOKEN_FILE' })
})

test('whoami lists the projects of a token for several once', async () => {
  const variables = await server.access({ project: undefined, projects: 'octo/* acme/**' })
  const { text } = await trove(['whoami'], variables)
  expect(text).toMatch(/^may +write: .* of the projects below; mints tokens$/m)
  expect(text).toMatch(/^project +octo\/\*, acme\/\*\*$/m)
})

test('whoami warns where variables name a project or run that the token does not cover', async () => {
  const job = await server.access({ scope: 'job', run: 7, job: 'build' })
  const strange = await trove(['whoami'], { ...job, GITHUB_REPOSITORY: 'a/b', TROVE_RUN: '8' })
  expect(strange).toMatchObject({
    status: 0,
    stderr:
      'trove: warning: GITHUB_REPOSITORY names a/b, but the token is of octo/app\n' +
      'trove: warning: commands use run 8, but the token is of run 7\n',
  })
  const again = await trove(['whoami'], { ...job, GITHUB_RUN_ATTEMPT: '2' })
  expect(again.stderr).toContain('commands use attempt 2, but the token is of attempt 1')
})

test('a token that is refused is told with its source and the reason, with status 5', async () => {
  expect(await trove(['whoami'])).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('there is no token for http://127.0.0.1:7878'),
  })
  const outcome = await trove(['whoami'], await server.access({ expiresInSeconds: -1 }))
  expect(outcome).toMatchObject({ status: 5, text: '' })
  expect(outcome.stderr).toContain(
    `${server.url} (from TROVE_URL) refuses the token (from TROVE_TOKEN): the token expired at 2`,
  )
})

test('a stored token that has expired says so, and that `trove login` stores another', async () => {
  await logIn({ expiresInSeconds: 60 })
  server.clock.now += 61_000
  const outcome = await trove(['list'])
  server.clock.now -= 61_000
  expect(outcome).toMatchObject({ status: 5 })
  expect(outcome.stderr).toMatch(/the token expired at .*\nhint: .*`trove login`/)
})

test('what is no token, or refused, is not stored; the first of them is not even sent', async () => {
  const kept = await logIn()
  const requests = await listening((_, answer) => void answer.end('{}'))
  const password = { stdin: 'hunter2\n' }
  expect(await trove(['login', requests.url], password)).toMatchObject({ status: 2 })
  expect(requests.seen).toEqual([])
  const foreign = await trove(['login', server.url], { stdin: 'head.claims.mac' })
  expect(foreign).toMatchObject({
    status: 5,
    stderr: expect.stringContaining(`${server.url} refuses the token: the token was not issued by`),
  })
  expect(await trove(['login', requests.url], { stdin: kept })).toMatchObject({ status: 10 })
  expect(await trove(['login', 'store.example.com'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('URL must be an http or https URL, got "store.example.com"'),
  })
  expect(await trove(['login', server.url, '--url', server.url])).toMatchObject({ status: 2 })
  expect(await readFile(storePath(), 'utf8')).toContain(kept)
  expect(await readFile(storePath(), 'utf8')).not.toContain(requests.url)
})

interface Listening {
  url: string
  seen: IncomingMessage[]
}

async function listening(answer: RequestListener): Promise<Listening> {
  const seen: IncomingMessage[] = []
  const strange = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  return { url: await listen(strange), seen }
}

test('a server that the login is not for gets no token, however a command is led there', async () => {
  await logIn()
  const evil = await listening((_, answer) => void answer.writeHead(401).end('{}'))
  await writeFile(join(folder, 'a.txt'), 'a')
  for (const args of [
    ['list'],
    ['whoami'],
    ['upload', 'x', 'a.txt', '--run', '1', '--project', 'octo/app'],
    ['logout', '--revoke'],
  ])
    expect((await trove(args, { TROVE_URL: evil.url })).status).not.toBe(0)
  expect((await trove(['list', '--url', evil.url])).status).not.toBe(0)
  expect(evil.seen.length).toBeGreaterThan(0)
  expect(evil.seen.map(({ headers }) => headers.authorization)).toEqual(
    evil.seen.map(() => undefined),
  )
  expect(await whoami()).toMatchObject({ url: server.url, tokenFrom: 'login' })
})

test('a redirect is not followed, so no other server sees the token', async () => {
  const evil = await listening((_, answer) => void answer.end('{}'))
  const leading = await listening((_, answer) => {
    answer.writeHead(307, { location: `${evil.url}/api/v1/tokens/current` }).end()
  })
  const token = await server.token()
  const outcome = await trove(['login', leading.url], { stdin: token })
  expect(outcome).toMatchObject({ status: 10, stderr: expect.stringContaining('a redirect to') })
  expect([leading.seen.length > 0, evil.seen.length]).toEqual([true, 0])
  await expect(stat(storePath())).rejects.toThrow('ENOENT')
})

test('what a hostile server says drives no terminal', async () => {
  const hostile = '\u001b]0;owned\u0007\u001b[2J\n::set-output name=x::y'
  const told = {
    id: hostile,
    scope: hostile,
    project: hostile,
    run: 1,
    attempt: null,
    job: hostile,
    expiresAt: '2030-01-01T00:00:00.000Z',
    serverVersion: hostile,
  }
  const evil = await listening((_, answer) => void answer.end(JSON.stringify(told)))
  const outcomes = [
    await trove(['login', evil.url], { stdin: await server.token() }),
    await trove(['whoami']),
    await trove(['whoami', '--json']),
    await trove(['list']),
  ]
  expect(outcomes.slice(0, 3).map(({ status }) => status)).toEqual([0, 0, 0])
  for (const { text, stderr } of outcomes) {
    expect((text + stderr).replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(text + stderr).not.toMatch(/^::/m)
  }
  // What is stored for one server must leave room for the others.
  const long = 'x'.repeat(2 ** 20)
  const faults = [{ expiresAt: 'soon' }, { run: 'x' }, { scope: {} }, { scope: long }]
  for (const fault of [...faults, { expiresAt: `2030-01-01 (${long})` }]) {
    const odd = await listening(
      (_, answer) => void answer.end(JSON.stringify({ ...told, ...fault })),
    )
    expect(await trove(['login', odd.url], { stdin: 'a.b.c' })).toMatchObject({
      status: 10,
      stderr: expect.stringContaining('cannot read'),
    })
  }
})

test('a server without the route is called old', async () => {
  const old = await listening((_, answer) => {
    const problem = { code: 'not_found', detail: 'there is no such route' }
    answer.writeHead(404, { 'content-type': 'application/problem+json' })
    answer.end(JSON.stringify(problem))
  })
  expect(await trove(['login', old.url], { stdin: 'a.b.c' })).toMatchObject({
    status: 3,
    stderr: expect.stringContaining(`${old.url} runs an older version`),
  })
})

test('login warns where others could read the token, and where variables take precedence', async () => {
  const exposed = await trove(['login', 'http://store.invalid'], { stdin: 'a.b.c' })
  expect(exposed).toMatchObject({
    status: 10,
    stderr: expect.stringContaining('http://store.invalid is not encrypted'),
  })
  const stdin = await server.token()
  for (const [variables, warning] of [
    [{ TROVE_TOKEN: 'x.y.z' }, 'TROVE_TOKEN is set and takes precedence'],
    // Its content is not needed, so it is not read.
    [{ TROVE_TOKEN_FILE: '/absent' }, 'TROVE_TOKEN_FILE is set and takes precedence'],
    [{ TROVE_URL: 'https://store.invalid' }, 'TROVE_URL names https://store.invalid'],
    [{ CI: 'true' }, 'commands ignore logins'],
  ] as const) {
    const outcome = await trove(['login', server.url], { stdin, ...variables })
    expect(outcome).toMatchObject({ status: 0, stderr: expect.stringContaining(warning) })
    expect(outcome.stderr).not.toContain('encrypted')
  }
  expect(await trove(['list'], { CI: 'true', TROVE_URL: server.url })).toMatchObject({
    status: 5,
    stderr: expect.stringContaining('jobs, where CI is set, do not read'),
  })
  const named = await trove(['login'], { stdin, TROVE_URL: server.url })
  expect(named.stderr).toContain(`logging in to ${server.url} (TROVE_URL)\n`)
  expect(await trove(['logout'], { TROVE_TOKEN_FILE: '/absent' })).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('TROVE_TOKEN_FILE is set: commands still use that token'),
  })
})

/** Other addresses of the same server, as an origin has one login. */
const doors = await Promise.all(
  Array.from({ length: 6 }, async () => {
    const door = createDoor((socket) => {
      const inside = connect(Number(new URL(server.url).port), '127.0.0.1')
      pipeline(socket, inside, socket, () => {})
    })
    return await listen(door)
  }),
)

test('logins at the same time do not lose one another', async () => {
  await Promise.all(doors.map(async (url) => await logIn({}, url, runTrove)))
  const { logins } = JSON.parse(await readFile(storePath(), 'utf8')) as { logins: object }
  expect(Object.keys(logins).toSorted()).toEqual(doors.toSorted())
  expect(await readdir(join(home, 'trove'))).toEqual(['logins.json'])
})

test('what a killed login has left is taken over after a while', async () => {
  const token = await logIn()
  const lock = `${storePath()}.lock`
  await writeFile(lock, '')
  const longAgo = Date.now() / 1000 - 60
  await utimes(lock, longAgo, longAgo)
  await logIn({}, doors[0])
  expect(await readFile(storePath(), 'utf8')).toContain(token)
  expect(await readdir(join(home, 'trove'))).toEqual(['logins.json'])
})

test('logout forgets one server, or all, and revokes what is asked for', async () => {
  const [first, second, third] = [
    await logIn(),
    await logIn({}, doors[0]),
    await logIn({}, doors[1]),
  ]
  const one = await trove(['logout', doors[1]!, '--revoke'])
  expect(one).toMatchObject({
    status: 0,
    stderr: `logged out of ${doors[1]}, and revoked the token\n`,
  })
  const two = await trove(['logout', doors[0]!])
  expect(two).toMatchObject({ status: 0, stderr: `logged out of ${doors[0]}\n` })
  expect(await whoamiStatus([first, second, third])).toEqual([0, 0, 5])
  expect(await trove(['logout', doors[0]!])).toMatchObject({
    status: 3,
    stderr: expect.stringContaining(`there are logins for ${server.url}`),
  })
  await logIn({}, doors[0])
  const all = await trove(['logout', '--all', '--revoke'])
  expect(all).toMatchObject({ status: 0 })
  expect(await readdir(join(home, 'trove'))).toEqual([])
  expect(await whoamiStatus([first])).toEqual([5])
  expect(await trove(['logout'])).toMatchObject({ status: 3 })
  const none = await trove(['logout', '--all', '--revoke'])
  expect(none).toMatchObject({ status: 0, stderr: expect.stringContaining('no logins are stored') })
})

async function whoamiStatus(tokens: string[]): Promise<(number | null)[]> {
  const outcomes = tokens.map(
    async (token) => await trove(['whoami'], { TROVE_URL: server.url, TROVE_TOKEN: token }),
  )
  return (await Promise.all(outcomes)).map(({ status }) => status)
}

test('a token that cannot be revoked stays stored, so that it still can be', async () => {
  await logIn()
  const gone = await listening((_, answer) => void answer.writeHead(503).end())
  const text = await readFile(storePath(), 'utf8')
  await writeFile(storePath(), text.replaceAll(server.url, gone.url))
  expect(await trove(['logout', '--revoke'])).toMatchObject({ status: 10 })
  expect(await readFile(storePath(), 'utf8')).toContain(gone.url)
  expect(await trove(['logout'])).toMatchObject({ status: 0 })
})

test('a file that is damaged, or that others can read, is named; `logout --all` removes it', async () => {
  await logIn()
  await chmod(storePath(), 0o644)
  for (const args of [['list'], ['login', server.url], ['logout']])
    expect(await trove(args, { stdin: await server.token() })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`${storePath()} can be read or changed by others (mode 644)`),
    })
  await chmod(storePath(), 0o600)
  await writeFile(storePath(), '{')
  expect(await trove(['list'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(storePath()),
  })
  const variables = await server.access()
  expect(await trove(['list'], variables)).toMatchObject({ status: 0 })
  expect(await trove(['logout', '--all'])).toMatchObject({ status: 0 })
  await logIn()
})

test('a login changes nothing of what commands do on a data directory', async () => {
  await logIn()
  const data = join(folder, 'data')
  const minted = await trove(['token', '--data', data, '--scope', 'write'])
  expect(minted).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--project is missing'),
  })
  const elsewhere = await trove(['token', '--data', data, '--project', 'a/b'])
  const token = elsewhere.text.trim()
  expect(await whoamiStatus([token])).toEqual([5])
  const workflow = join(folder, 'ci.yml')
  await writeFile(workflow, 'on: push\njobs: { a: { runs-on: x, steps: [{ run: exit }] } }\n')
  const run = await trove(['run', workflow, '--run', '4711'], { TROVE_DATA: data })
  expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('run 4711 of ') })
  expect(run.stderr).not.toContain(server.url)
})

test('at a terminal the token is asked for, and not shown', async () => {
  const token = await server.token()
  const command = [process.execPath, mainProgram, 'login', server.url]
  const environment = { XDG_CONFIG_HOME: home }
  const mistyped = `~~\b\u007f${token}`
  const typed = [{ after: 'Token (not shown): ', type: `${mistyped}\r` }]
  const { status, screen } = await runInTerminal(command, typed, environment)
  expect({ status, screen }).toMatchObject({ status: 0 })
  expect(screen).toContain(`trove token --url ${server.url} --project OWNER/REPO`)
  expect(screen).toContain('logged in to')
  expect(screen).not.toContain(token.slice(0, 10))
  expect(screen).not.toContain('~')
  expect(await whoami()).toMatchObject({ tokenFrom: 'login' })
})

test.each([
  ['Ctrl-C', 'abc\u0003', 130],
  ['Ctrl-D', '\u0004', 2],
  ['Enter', '\r', 2],
])('%s at the prompt ends it, and nothing is stored', async (_, type, expected) => {
  const command = [process.execPath, mainProgram, 'login', server.url]
  const typed = [{ after: 'Token (not shown): ', type }]
  const { status, screen } = await runInTerminal(command, typed, { XDG_CONFIG_HOME: home })
  expect({ status, screen }).toMatchObject({ status: expected })
  expect(screen).not.toContain('abc')
  await expect(stat(storePath())).rejects.toThrow('ENOENT')
})
