/** The file of `trove login`: where it is, what of it is accepted, and when commands read it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { requireLoginsFile, withLogin, withoutLogin } from '../src/cli/login/login-store.ts'
import type { ClientConfig } from '../src/config/client-config.ts'
import { readClientConfig, readCommandConfig } from '../src/config/config.ts'
import { loginsFile } from '../src/config/default-directories.ts'
import {
  formatLogins,
  type Login,
  type Logins,
  noLogins,
  readLogins,
} from '../src/config/logins.ts'
import { ConfigError, type Environment } from '../src/config/settings.ts'
import { fileDirectory, testDirectory } from './temporary-directory.ts'

const store = 'https://store.example.com'
const other = 'http://127.0.0.1:7878'

/** Nobody signs it: what a command reads from its own token is not verified. */
function loginTo(project: string | null, scope = 'write'): Login {
  const claims = Buffer.from(JSON.stringify({ project: project ?? undefined })).toString(
    'base64url',
  )
  return { token: `head.${claims}.mac`, scope, project, expiresAt: '2027-01-01T00:00:00.000Z' }
}

const logins: Logins = {
  defaultUrl: store,
  byUrl: new Map([
    [store, loginTo('octo/app')],
    [other, loginTo('octo/other', 'read')],
  ]),
}

function newHome(
  text: string,
  { mode = 0o600, home = testDirectory() } = {},
): { home: string; path: string } {
  const path = join(home, 'trove', 'logins.json')
  mkdirSync(join(home, 'trove'))
  writeFileSync(path, text)
  chmodSync(path, mode)
  return { home, path }
}

function problemOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('the file', () => {
  test('reads back as it was written', () => {
    expect(readLogins(newHome(formatLogins(logins)).path)).toEqual(logins)
  })

  test('may be absent, also below what is no directory', () => {
    const { path } = newHome('')
    for (const absent of [null, `${path}.absent`, join(path, 'below')])
      expect(readLogins(absent)).toEqual(noLogins)
  })

  test.each(['a directory', 'a pipe'])('is refused without waiting when it is %s', (what) => {
    const { path } = newHome('')
    rmSync(path)
    if (what === 'a pipe') execFileSync('mkfifo', ['-m', '600', path])
    else mkdirSync(path, 0o700)
    expect(problemOf(() => readLogins(path))).toContain(`${path} is not a file that`)
  })

  test.each([0o604, 0o640, 0o620, 0o602, 0o666])('is refused with mode %o', (mode) => {
    const { path } = newHome(formatLogins(logins), { mode })
    expect(problemOf(() => readLogins(path))).toBe(
      `${path} can be read or changed by others (mode ${mode.toString(8)}): chmod 600 it`,
    )
    // There modes say nothing.
    expect(readLogins(path, 'win32')).toEqual(logins)
  })

  const text = formatLogins(logins)
  test.each([
    ['empty', ''],
    ['cut short', text.slice(0, -20)],
    ['another program’s', '{"hosts": {}}'],
    ['a list', '[]'],
    ['with a token that no header can carry', text.replace('head.', 'head\\r\\nX: ')],
    ['with an address that is no origin', text.replace(`"${store}": {`, `"${store}/path": {`)],
    ['with a default that is not stored', text.replace(`default": "${store}`, 'default": "x')],
    ['with fields of another type', text.replace('"octo/app"', '7')],
  ])('that is %s is named, and its content is not shown', (_, broken) => {
    expect(broken).not.toBe(text)
    const { path } = newHome(broken)
    expect(problemOf(() => readLogins(path))).toBe(
      `${path} is not a file that \`trove login\` wrote: repair it, or delete it and log in again`,
    )
  })

  test('of a newer version is left alone; a directory in its place is named', () => {
    const { home, path } = newHome(text.replace('"version": 1', '"version": 2'))
    expect(problemOf(() => readLogins(path))).toContain('newer version of trove')
    expect(problemOf(() => readLogins(home))).toContain(home)
  })
})

describe('its place', () => {
  const linux = { platform: 'linux', home: '/me' }
  const windows = { platform: 'win32', home: 'C:\\Users\\me' }
  test.each<[Environment, { platform: string; home: string | null }, string | null]>([
    [{}, linux, '/me/.config/trove/logins.json'],
    [{ XDG_CONFIG_HOME: '/etc/me' }, linux, '/etc/me/trove/logins.json'],
    [{ XDG_CONFIG_HOME: 'relative' }, linux, '/me/.config/trove/logins.json'],
    [{ APPDATA: '/appdata' }, linux, '/me/.config/trove/logins.json'],
    [{}, { ...linux, home: null }, null],
    [{ XDG_CONFIG_HOME: '/etc/me' }, { ...linux, home: null }, '/etc/me/trove/logins.json'],
    [{ APPDATA: 'D:\\Roaming' }, windows, 'D:\\Roaming\\trove\\logins.json'],
    [{ APPDATA: 'relative' }, windows, 'C:\\Users\\me\\AppData\\Roaming\\trove\\logins.json'],
    [{ XDG_CONFIG_HOME: 'C:\\x' }, windows, 'C:\\Users\\me\\AppData\\Roaming\\trove\\logins.json'],
    [{}, { ...windows, home: null }, null],
  ])('follows the system (%j, %j)', (environment, place, expected) => {
    expect(loginsFile(environment, place)).toBe(expected)
  })

  test('is asked for where there is no home', () => {
    expect(problemOf(() => requireLoginsFile(null))).toContain('XDG_CONFIG_HOME')
  })
})

describe('a command', () => {
  const { home } = newHome(formatLogins(logins), { home: fileDirectory() })
  const broken = newHome('broken', { home: fileDirectory() }).home
  const read = (environment: Environment, flags = {}): ClientConfig =>
    readCommandConfig(flags, { XDG_CONFIG_HOME: home, ...environment })
  const tokenOf = (url: string): string => logins.byUrl.get(url)!.token

  test('uses the default server with its token, and the project of that', () => {
    expect(read({})).toMatchObject({
      url: store,
      urlFrom: 'login',
      token: tokenOf(store),
      tokenFrom: 'login',
      project: 'octo/app',
      projectFrom: 'the token',
    })
    expect(read({ GITHUB_REPOSITORY: 'a/b' })).toMatchObject({
      project: 'a/b',
      projectFrom: 'GITHUB_REPOSITORY',
    })
  })

  test('uses the login of the server that a flag or variable names', () => {
    const stored = { url: other, token: tokenOf(other), tokenFrom: 'login', project: 'octo/other' }
    expect(read({ TROVE_URL: `${other}/` })).toMatchObject({ ...stored, urlFrom: 'TROVE_URL' })
    expect(read({ TROVE_URL: store }, { url: other })).toMatchObject({
      ...stored,
      urlFrom: '--url',
    })
  })

  // A `.env` that somebody else wrote may set it.
  test.each([
    'http://store.example.com',
    'https://store.example.com:8443',
    'https://store.example.com.evil.example',
    'http://127.0.0.1:7879',
    'http://localhost:7878',
  ])('sends %s no token of another origin', (url) => {
    for (const config of [read({ TROVE_URL: url }), read({}, { url })])
      expect(config).toMatchObject({ token: null, tokenFrom: null, project: null })
  })

  test('prefers the token of a variable, without asking the file where the server is named too', () => {
    const variables = { TROVE_TOKEN: 'x.y.z', TROVE_URL: store }
    expect(read(variables)).toMatchObject({ url: store, token: 'x.y.z', tokenFrom: 'TROVE_TOKEN' })
    expect(read({ TROVE_TOKEN: 'x.y.z' })).toMatchObject({ url: store, urlFrom: 'login' })
    expect(read({ ...variables, XDG_CONFIG_HOME: broken })).toMatchObject({ token: 'x.y.z' })
  })

  test('fails where it needs a file that is broken', () => {
    for (const environment of [{}, { TROVE_URL: store }, { TROVE_TOKEN: 'x.y.z' }]) {
      const needed = { ...environment, XDG_CONFIG_HOME: broken }
      expect(problemOf(() => read(needed))).toContain(join(broken, 'trove', 'logins.json'))
    }
  })

  test.each<[string, Environment]>([
    ['CI', { CI: 'true' }],
    ['GITHUB_ACTIONS', { GITHUB_ACTIONS: 'true' }],
    ['an ID token', { TROVE_ID_TOKEN: 'a.b.c' }],
  ])('of a job with %s knows no logins', (_, job) => {
    const nothing = { url: 'http://127.0.0.1:7878', urlFrom: 'default', token: null }
    expect(read(job)).toMatchObject(nothing)
    expect(read({ ...job, XDG_CONFIG_HOME: broken })).toMatchObject(nothing)
  })

  test('that is no command of a user does not read the file', () => {
    expect(readClientConfig({}, { XDG_CONFIG_HOME: broken })).toMatchObject({ token: null })
  })
})

describe('who logs in and out', () => {
  test('makes the server the default, and replaces its token', () => {
    const changed = withLogin(logins, other, loginTo('octo/new'))
    expect(changed.defaultUrl).toBe(other)
    expect([...changed.byUrl.keys()]).toEqual([store, other])
    expect(changed.byUrl.get(other)?.project).toBe('octo/new')
  })

  test('leaves the only other server as the default, and none where there are several', () => {
    expect(withoutLogin(logins, store)).toMatchObject({ defaultUrl: other })
    expect(withoutLogin(logins, other)).toMatchObject({ defaultUrl: store })
    const three = withLogin(logins, 'https://third.example', loginTo('octo/app'))
    expect(withoutLogin(three, 'https://third.example').defaultUrl).toBeNull()
    expect(withoutLogin(withoutLogin(logins, store), other)).toEqual(noLogins)
  })
})

// Method: another process puts the file there and removes it, again and again.
test('a file that appears while it is looked for is no error', () => {
  const path = join(testDirectory(), 'logins.json')
  const text = JSON.stringify(formatLogins(noLogins))
  const program = `const fs = require('node:fs'), path = ${JSON.stringify(path)}
    for (;;) {
      fs.writeFileSync(path + '.lock', ${text}, { mode: 0o600 })
      fs.renameSync(path + '.lock', path)
      fs.rmSync(path)
    }`
  const putter = spawn(process.execPath, ['-e', program])
  onTestFinished(async () => {
    putter.kill()
    await once(putter, 'exit')
  })
  let reads = 0
  for (const end = performance.now() + 500; performance.now() < end; reads += 1)
    expect(readLogins(path)).toEqual(noLogins)
  expect(reads).toBeGreaterThan(100)
})
