/** The commands as scripts see them: stdout, stderr and exit status. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { listen } from '../client/listen.ts'
import { makeDirectory } from '../client/tree.ts'
import type { TarEntry } from '../http/archives-of.ts'
import { openServer, openSharedServer } from '../http/open-server.ts'
import { filled } from '../../src/cli/arguments.ts'
import { commands } from '../../src/cli/command-list.ts'
import { hintFor } from '../../src/cli/exit-status.ts'
import { storeError } from '../../src/core/errors.ts'
import { runTroveInside } from './run-inside.ts'
import { mainProgram, type Outcome, startTrove } from './run-trove.ts'

const noise = randomBytes(700_000)

const server = await openSharedServer()
let id: number
beforeAll(async () => {
  const tar: TarEntry[] = [
    { name: 'bin/tool', content: noise, mode: 0o755 },
    { name: 'bin/sub/x', content: 'x' },
    { name: 'VERSION', content: '1.2.3\n' },
    { name: 'link', type: 'symlink', linkname: 'VERSION' },
  ]
  id = await server.put('42/build?branch=main&job=compile', { tar })
})

async function trove(args: string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
  return await runTroveInside(args, { ...access, ...environment })
}

describe('trove list', () => {
  test('prints a table, or JSON', async () => {
    const table = await trove(['list'])
    expect(table).toMatchObject({ status: 0, stderr: '' })
    const [header, row] = table.text.split('\n')
    expect(header?.split(/\s+/)).toEqual(expect.arrayContaining(['RUN', 'NAME', 'SIZE', 'EXPIRES']))
    expect(row?.trim().split(/\s+/).slice(0, 4)).toEqual([String(id), '42', 'build', 'compile'])
    const json = await trove(['list', '--branch', 'main', '--json'])
    expect(JSON.parse(json.text)).toMatchObject([{ id, name: 'build', files: 3 }])
  })

  test('that finds nothing says so on stderr and succeeds', async () => {
    expect(await trove(['list', '--name', 'none'])).toMatchObject({
      status: 0,
      text: '',
      stderr: 'no artifacts match\n',
    })
    expect(await trove(['list', '--name', 'none', '--json'])).toMatchObject({
      status: 0,
      text: '[]\n',
    })
  })

  test('of a project without uploads says so', async () => {
    const own = await server.token({ project: 'octo/new' })
    expect(await trove(['list'], { TROVE_TOKEN: own })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('nothing has been uploaded to octo/new yet'),
    })
    expect(await trove(['list', '--project', 'octo/new'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('there is no project octo/new, or you have no access to it'),
    })
  })

  test('reads several pages, and says how many artifacts it left out', async () => {
    for (const name of 'abc') await server.put(`50/${name}`)
    const some = await trove(['list', '--run', '50', '--limit', '2'])
    expect(some.text.trim().split('\n')).toHaveLength(3)
    expect(some.stderr).toBe('showing 2 of 3; use --limit to show more\n')
    const json = await trove(['list', '--run', '50', '--limit', '2', '--json'])
    expect(JSON.parse(json.text)).toHaveLength(2)
    expect(json.stderr).toBe(some.stderr)
  })
})

test('trove list shows attempts where runs were repeated', async () => {
  const first = await server.put('51/again?attempt=1')
  const list = async (): Promise<string> => (await trove(['list', '--run', '51'])).text
  expect(await list()).toMatch(/^ID +RUN +NAME /)
  const second = await server.put('51/again?attempt=2')
  expect(await list()).toMatch(
    new RegExp(
      `^ID +RUN +ATTEMPT +NAME .*\n *${second} +51 +2 +again .*\n *${first} +51 +1 +again `,
    ),
  )
})

describe('trove ls', () => {
  test('lists a directory for every kind of reference', async () => {
    for (const reference of ['42/build', 'octo/app@42/build', 'latest:main/build', `id:${id}`]) {
      expect(await trove(['ls', reference])).toMatchObject({
        status: 0,
        text: 'VERSION\nbin/\nlink\n',
      })
    }
    expect((await trove(['ls', '42/build:bin'])).text).toBe('sub/\ntool\n')
    expect((await trove(['ls', '42/build:VERSION'])).text).toBe('VERSION\n')
  })

  test('-l adds mode, size and time; -R lists recursively', async () => {
    const { text } = await trove(['ls', '-lR', '42/build'])
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => line.split(/ {2,}/)),
    ).toEqual([
      ['-rw-r--r--', '6', '2026-01-02 03:04', 'VERSION'],
      ['-rw-r--r--', '1', '2026-01-02 03:04', 'bin/sub/x'],
      ['-rwxr-xr-x', '700000', '2026-01-02 03:04', 'bin/tool'],
      ['lrwxrwxrwx', '-', '2026-01-02 03:04', 'link -> VERSION'],
    ])
  })

  test('--json prints an array of entries', async () => {
    const { text } = await trove(['ls', '--json', '42/build:bin'])
    expect(JSON.parse(text)).toMatchObject([
      { kind: 'directory', path: 'bin/sub' },
      { kind: 'file', path: 'bin/tool', mode: '0755' },
    ])
  })
})

describe('trove cat', () => {
  test('writes exactly the bytes of the file', async () => {
    const { status, stdout } = await trove(['cat', '42/build:bin/tool'])
    expect(status).toBe(0)
    expect(stdout.equals(noise)).toBe(true)
  })

  test('a path that is not there hints at the command that lists those that are', async () => {
    expect((await trove(['cat', '42/build:nope'])).stderr).toMatch(
      /^trove: artifact build has no "nope"\nhint: `trove ls REF` lists what it has/,
    )
  })

  test.each(['42/build:bin', '42/build:nope', '42/build:link'])(
    '%s is not a file: not found',
    async (target) => {
      expect(await trove(['cat', target])).toMatchObject({
        status: 3,
        text: '',
        stderr: expect.stringMatching(/has no/),
      })
    },
  )
})

describe('trove stats', () => {
  test('shows the figures, or JSON', async () => {
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const table = await trove(['stats'], { TROVE_TOKEN: admin })
    expect(table.text).toMatch(/^ {2}artifacts +\d+\n/)
    expect(table.text).toMatch(/stored +[\d.]+ KiB/)
    const json = await trove(['stats', '--project', 'octo/app', '--json'])
    expect(JSON.parse(json.text)).toMatchObject({
      storedBytes: null,
      savedBy: { compression: null },
    })
  })

  test('shows the cost of packing when nothing compresses', async () => {
    const own = await openServer()
    onTestFinished(own.close)
    await own.put('1/tiny', { body: 'x' })
    const token = await own.token({ project: undefined, scope: 'admin' })
    const { text } = await trove(['stats'], { TROVE_URL: own.url, TROVE_TOKEN: token })
    expect(text).toMatch(/^ {2} {2}added: packing, uploads +\d+ B$/m)
    expect(text).not.toMatch(/compression|-\d/)
  })
})

test('with a token for all projects, a reference that several projects have is ambiguous', async () => {
  const access = {
    TROVE_TOKEN: await server.token({ project: undefined, scope: 'admin' }),
  }
  const asked = async (...args: string[]): Promise<Outcome> => await trove(args, access)
  await server.put('70/twin?branch=twins')
  expect((await asked('ls', '70/twin')).status).toBe(0)
  const token = await server.token({ project: 'octo/other' })
  await server.put('/api/v1/projects/octo/other/runs/70/artifacts/twin?branch=twins', { token })
  const told = 'exists in octo/other and in octo/app; choose one with --project'
  for (const reference of ['70/twin', 'latest:twins/twin'])
    expect(await asked('rm', reference)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`${reference} ${told}`),
    })
  expect((await asked('why', '@70')).stderr).toContain('several projects have a run 70')
  for (const args of [['octo/other@70/twin'], ['70/twin', '--project', 'octo/app']])
    expect((await asked('ls', ...args)).status).toBe(0)
  const { text } = await asked('list', '--run', '70')
  expect(text).toMatch(/^ID +PROJECT +RUN .*\n *\d+ +octo\/other +70 .*\n *\d+ +octo\/app +70 /)
  expect((await trove(['list', '--run', '70'])).text).toMatch(/^ID +RUN +NAME /)
})

describe('trove token', () => {
  test('mints with the key of a data directory, without a server', async () => {
    const job = await trove([
      'token',
      '--data',
      server.dataDir,
      '--project',
      'octo/app',
      '--run',
      '42',
      '--job',
      'compile',
    ])
    expect(job).toMatchObject({ status: 0, stderr: '' })
    const claims = JSON.parse(
      Buffer.from(job.text.split('.')[1] ?? '', 'base64url').toString(),
    ) as object
    expect(claims).toMatchObject({ scope: 'job', scp: 'Actions.Results:42:compile' })
    expect((await trove(['list'], { TROVE_TOKEN: job.text.trim() })).status).toBe(0)
  })

  test('a token for a person takes its run only from flags, not from the surrounding job', async () => {
    const job = await server.token({ run: 1, job: 'build', branch: 'main' })
    const around = {
      TROVE_TOKEN: job,
      GITHUB_RUN_ID: '7',
      GITHUB_REF_NAME: 'fix',
      GITHUB_ACTOR: 'you',
    }
    const mint = async (...args: string[]): Promise<object> => {
      const { text } = await trove(['token', '--data', server.dataDir, ...args], around)
      return JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as object
    }
    const claims = {
      iss: 'trove',
      use: 'api',
      project: 'octo/app',
      jti: expect.any(String) as string,
      iat: expect.any(Number) as number,
      exp: expect.any(Number) as number,
    }
    for (const scope of ['read', 'write'])
      expect(await mint('--scope', scope)).toEqual({ ...claims, scope })
    expect(await mint()).toEqual({ ...claims, scope: 'read' })
    expect(await mint('--scope', 'read', '--run', '3')).toMatchObject({ run: 3 })
    const told = ['--ordinal', '12', '--pull-request', '34', '--head-sha', 'head', '--actor', 'me']
    const facts = { branch: 'fix', ordinal: 12, pullRequest: 34, headSha: 'head', actor: 'me' }
    expect(await mint('--job', 'test', ...told)).toMatchObject({ run: 7, job: 'test', ...facts })
  })

  test('mints through a server with an admin token, but not with a read token', async () => {
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const args = [
      'token',
      '--url',
      server.url,
      '--project',
      'octo/app',
      '--expires',
      '1h',
      '--json',
    ]
    const minted = await trove(args, { TROVE_TOKEN: admin })
    expect(JSON.parse(minted.text)).toMatchObject({
      expiresAt: new Date(server.clock.now + 3_600_000).toISOString(),
    })
    const reader = await server.token({ scope: 'read' })
    expect(await trove(args, { TROVE_TOKEN: reader })).toMatchObject({ status: 6, text: '' })
  })

  test('asks a remote server even when this machine has a key', async () => {
    const elsewhere = server.url.replace('127.0.0.1', '0.0.0.0')
    const other = join(await makeDirectory(), 'data')
    const minting = ['token', '--project', 'octo/app']
    await runTroveInside([...minting, '--data', other])
    const environment = { TROVE_DATA: other, TROVE_URL: elsewhere }
    expect(await runTroveInside(minting, environment)).toMatchObject({ status: 5, text: '' })
    const admin = await server.token({ project: undefined, scope: 'admin' })
    const minted = await runTroveInside(minting, { ...environment, TROVE_TOKEN: admin })
    expect((await trove(['list'], { TROVE_TOKEN: minted.text.trim() })).status).toBe(0)
  })

  test('warns that no server uses the named directory yet', async () => {
    const data = join(await makeDirectory(), 'typo')
    const args = ['token', '--data', data, '--project', 'o/r']
    const first = await runTroveInside(args)
    expect(first.stderr).toBe(
      `trove: warning: ${data} had no key, so one was created: no server runs there\n`,
    )
    expect(await runTroveInside(args)).toMatchObject({ status: 0, stderr: '' })
  })

  test.each([
    [
      ['--scope', 'king', '--project', 'o/r'],
      /--scope must be job, run, read, write or admin, got "king"/,
    ],
    [['--expires', 'soon', '--project', 'o/r'], /--expires must be a duration/],
    [['--project', 'nope'], /OWNER\/REPO/],
    [[], /--project is missing/],
  ])('refuses %j', async (args, message) => {
    const outcome = await runTroveInside(['token', '--data', server.dataDir, ...args])
    expect(outcome).toMatchObject({ status: 2, text: '', stderr: expect.stringMatching(message) })
  })
})

describe('exit statuses', () => {
  test.each([
    ['not found', 3, ['ls', '1/none'], {}],
    ['not authenticated', 5, ['list'], { TROVE_TOKEN: 'x.y.z' }],
    ['usage: unknown flag', 2, ['ls', '--bogus', '42/build'], {}],
    ['usage: missing operand', 2, ['ls'], {}],
    ['usage: one operand too many', 2, ['ls', '42/build', 'x'], {}],
    ['usage: no reference', 2, ['ls', 'build'], {}],
    ['usage: an empty operand', 2, ['download', '42/build', '', '--delete'], {}],
    ['usage: an empty directory', 2, ['scrub', '--data', ''], {}],
    ['usage: unknown command', 2, ['frobnicate'], {}],
    ['usage: bad setting', 2, ['list'], { TROVE_URL: 'ftp://x' }],
    ['usage: no command', 2, [], {}],
  ])(
    '%s is %d, with nothing on stdout and a hint on stderr',
    async (_, status, args, environment: Record<string, string>) => {
      const outcome = await trove(args, environment)
      expect(outcome).toMatchObject({ status, text: '' })
      expect(outcome.stderr).not.toBe('')
    },
  )

  test.each([
    [['list', '--sort', 'foo'], '--sort must be newest, oldest, largest or expiring, got "foo"'],
    [
      ['list', '--state', 'foo'],
      '--state must be available, damaged, expired, deleted or any, got "foo"',
    ],
    [['ls', 'id:abc'], '"id:abc" is not a reference: write id:123'],
    [['run', 'x', '--secret', 'constructor'], '--secret constructor: no environment variable has'],
  ])('%j is rejected with the accepted values', async (args, told) => {
    const outcome = await trove(args)
    expect(outcome).toMatchObject({ status: 2, stderr: expect.stringContaining(`trove: ${told}`) })
  })

  // Without this, a job fails only after its work, or at the first of many artifacts.
  test('a wrong value of any flag is reported before any request', async () => {
    const unreachable = {
      TROVE_URL: 'http://127.0.0.1:9',
      TROVE_TOKEN: '',
      TROVE_ID_TOKEN: 'a.b.c',
    }
    let count = 0
    for (const [name, { load }] of Object.entries(commands))
      for (const [flag, { choices, read }] of Object.entries((await load()).flags)) {
        if (choices === undefined && (read === undefined || read === filled)) continue
        count += 1
        const outcome = await trove([name, `--${flag}=@(a|b)`], unreachable)
        const told = expect.stringMatching(`^trove: --${flag}( must be|: )`)
        expect(outcome).toMatchObject({ status: 2, text: '', stderr: told })
      }
    expect(count).toBeGreaterThan(20)
    for (const args of [
      ['download', '42/build', 'dest', '--delete', '--path', 'x'],
      ['download', '42/build', 'dest', '--merge-multiple'],
      ['download', '@42', '-o', 'x.zip'],
      ['download', '--pattern', '*', '--run', '42', '--delete', '--merge-multiple'],
      ['download', '--pattern', '@(a|b)', '--run', '42'],
      ['find', 'sha256:12'],
    ])
      expect([args, (await trove(args, unreachable)).status]).toEqual([args, 2])
  })

  test('output that cannot be written is named', async () => {
    const shell = `exec "$0" "$1" --help > /dev/full`
    const child = spawn('sh', ['-c', shell, process.execPath, mainProgram])
    const stderr = (await buffer(child.stderr)).toString()
    expect(stderr).toMatch(/^trove: stdout cannot be written: ENOSPC: .*\n$/)
    expect(child.exitCode ?? (await once(child, 'close'))[0]).toBe(1)
  })

  test('a permission error hints at the user to run as', () => {
    const refused = { code: 'EACCES', syscall: 'open' }
    expect(hintFor(Object.assign(new Error(), refused))).toContain("the server's user")
    expect(hintFor(Object.assign(new Error(), refused, { syscall: 'listen' }))).toContain('--port')
    const readOnly = Object.assign(new Error(), { code: 'EROFS', syscall: 'mkdir' })
    expect(hintFor(readOnly)).toContain('ReadWritePaths')
  })

  // It may be that of a backup.
  test('the hint on a full disk does not say which one it is', () => {
    const full = storeError('storage_full', 'the disk of the copy is full', { neededBytes: null })
    expect(hintFor(full)).toMatch(/^Make room there; .*gc --now/)
  })

  test('expired is 4', async () => {
    const dead = await server.put('60/dead')
    await server.send(`/api/v1/artifacts/${dead}`, { method: 'DELETE' })
    expect(await trove(['ls', '60/dead'])).toMatchObject({ status: 4, text: '' })
  })

  test('an unreachable server is 10, after retries', async () => {
    const outcome = await trove(['list'], { TROVE_URL: 'http://127.0.0.1:9' })
    expect(outcome).toMatchObject({
      status: 10,
      stderr: expect.stringMatching(/cannot be reached[\s\S]*hint: /),
    })
  })
})

const isThereOne = 'Check that TROVE_URL (or --url) is the address of a Trove server.'
const isBounded =
  'A proxy in front of the server limits the size of uploads; for nginx, set `client_max_body_size 0`.'
test.each([
  [200, 'sent a response that this version cannot read: a web page', isThereOne],
  [404, 'responded 404', isThereOne],
  [413, 'responded 413', isBounded],
  [501, 'responded 501', isThereOne],
])(
  'a sign-in page or a proxy that responds %i is reported in two lines',
  async (status, told, hint) => {
    const other = createServer((_, response) => {
      response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Welcome</html>')
    })
    const TROVE_URL = await listen(other)
    const outcome = await trove(['list'], { TROVE_URL })
    expect(outcome).toMatchObject({
      status: 10,
      stderr: `trove: ${TROVE_URL} ${told}\nhint: ${hint}\n`,
    })
  },
)

describe('an interrupted command', () => {
  test('ends quietly when its reader has gone', async () => {
    const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
    const child = startTrove(['cat', '42/build:bin/tool'], access)
    const stderr = buffer(child.stderr)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    await once(child, 'close')
    expect({ status: child.exitCode, stderr: (await stderr).toString() }).toEqual({
      status: 0,
      stderr: '',
    })
  })

  test.each([
    ['verify', '42/build', '.'],
    ['verify', '42/build', '.', '--json'],
    ['diff', '42/build', '45/other'],
    ['diff', '42/build', '45/other', '--stat'],
  ])('keeps its verdict when its reader has gone: %s %s %s %s', async (...args) => {
    const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
    await server.put('45/other')
    const child = startTrove(args, access, import.meta.dirname)
    child.stdout.destroy()
    await buffer(child.stderr)
    expect(child.exitCode ?? (await once(child, 'close'))[0]).toBe(1)
  })

  test.each([
    [['list'], /^$/],
    [['download', '1/a', 'd'], /^trove: interrupted; .* the same command resumes with them\n$/],
  ])('ends with 130 after Ctrl-C while it waits for the server: %j', async (args, told) => {
    const silent = createServer()
    const asked = once(silent, 'request')
    const TROVE_URL = await listen(silent)
    const child = startTrove(args, { TROVE_URL, TROVE_TOKEN: 'x' })
    const stderr = buffer(child.stderr)
    await asked
    child.kill('SIGINT')
    await once(child, 'close')
    expect({ status: child.exitCode, stderr: (await stderr).toString() }).toEqual({
      status: 130,
      stderr: expect.stringMatching(told),
    })
  })
})

describe('help', () => {
  test.each(['serve', 'token', 'list', 'ls', 'cat', 'stats'])(
    'of %s has usage, examples, flags and exit statuses',
    async (name) => {
      const { status, text, stderr } = await runTroveInside([name, '--help'])
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
      for (const heading of ['Usage:', 'Examples:', 'Flags:', 'Exit status:'])
        expect(text).toContain(`${heading}\n`)
      expect(text).toContain(`  trove ${name}`)
    },
  )

  test('without a command lists all commands', async () => {
    const { status, text } = await runTroveInside(['--help'])
    expect(status).toBe(0)
    for (const name of ['serve', 'token', 'list', 'ls', 'cat', 'stats'])
      expect(text).toMatch(new RegExp(`^  ${name} `, 'm'))
  })
})
