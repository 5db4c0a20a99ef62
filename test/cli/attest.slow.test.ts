/** `trove attest`, and `trove verify --attestation`, which compares local files without a
 *  server. */
import { generateKeyPairSync } from 'node:crypto'
import { appendFile, chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { zipOf } from '../actions/archives.ts'
import { makeDirectory, makeHardTree, makeTree } from '../client/tree.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const server = await openSharedServer()

let root: string
let tree: string
let lastRun = 0
beforeEach(async () => {
  root = await makeDirectory()
  tree = join(root, 'tree')
  await mkdir(tree)
  lastRun += 1
})

async function trove(...args: string[]): Promise<Outcome> {
  const environment = { ...(await server.access()), TROVE_CACHE_DIR: join(root, '.cache') }
  return await runTroveInside(args, environment, root)
}

/** Runs against an address where no server listens. */
async function offline(...args: string[]): Promise<Outcome> {
  return await runTroveInside(args, { TROVE_URL: 'http://127.0.0.1:9' }, root)
}

const verify = async (...args: string[]): Promise<Outcome> =>
  await offline('verify', ...args, '--attestation', 'attestation.json', '--key', 'trove.pub')

/** Uploads `tree` as artifact `build` of a new run, and saves its attestation and the public
 *  key. */
async function attestTree(part = ''): Promise<string> {
  const run = String(lastRun)
  expect(await trove('upload', 'build', 'tree', '--include-hidden', '--run', run)).toMatchObject({
    status: 0,
  })
  await attest(`${run}/build${part}`)
  return `octo/app@${run}/build`
}

async function attest(reference: string): Promise<void> {
  const attested = await trove('attest', reference, '-o', 'attestation.json')
  expect(attested).toMatchObject({ status: 0, text: '', stderr: '' })
  const key = await trove('attest', '--public-key')
  expect(key).toMatchObject({ status: 0, text: expect.stringMatching(/^-----BEGIN PUBLIC KEY/) })
  await writeFile(join(root, 'trove.pub'), key.text)
}

describe('a directory', () => {
  test('with unusual names matches its attestation even after the artifact is deleted', async () => {
    await makeHardTree(tree)
    await makeTree(tree, { '-n': 'n', 'back\\slash/a\\b': 'b', ' blank ': 'b' })
    const reference = await attestTree()
    expect(await trove('rm', `${lastRun}/build`)).toMatchObject({ status: 0 })
    expect(await trove('attest', `${lastRun}/build`)).toMatchObject({ status: 4, text: '' })
    const verified = await verify(reference, 'tree', '--extra')
    expect(verified).toMatchObject({ status: 0, text: '' })
    expect(verified.stderr).toMatch(
      new RegExp(
        `^build of run ${lastRun} \\(attempt 1, job upload\\) of octo/app, received 20\\S+Z, key [0-9a-f]{16}\\n` +
          `build {2}\\d+ files, .*: identical {2}\\S+tree\\n$`,
      ),
    )
  })

  test('is compared with a given key whatever the file of logins contains', async () => {
    await makeTree(tree, { a: 'a' })
    const reference = await attestTree()
    await makeTree(root, { 'config/trove/logins.json': 'torn' })
    const environment = { XDG_CONFIG_HOME: join(root, 'config') }
    const compare = async (...args: string[]): Promise<Outcome> => {
      const given = ['--attestation', 'attestation.json', '--key', 'trove.pub']
      return await runTroveInside(['verify', ...args, ...given], environment, root)
    }
    await chmod(join(root, 'config/trove/logins.json'), 0o600)
    expect(await compare('tree')).toMatchObject({ status: 0 })
    expect(await compare(reference, 'tree')).toMatchObject({ status: 0 })
    // A login could complete this one.
    expect(await compare(`${lastRun}/build`, 'tree')).toMatchObject({ status: 2 })
  })

  test('shows every kind of difference', async () => {
    await makeTree(tree, { 'bin/app': 'app', gone: 'g', link: '-> gone', empty: null, mode: 'm' })
    const reference = await attestTree()
    await rm(join(tree, 'gone'))
    await rm(join(tree, 'link'))
    await rm(join(tree, 'empty'), { recursive: true })
    await chmod(join(tree, 'mode'), 0o755)
    await makeTree(tree, { 'bin/app': 'App', link: '-> mode', new: 'n' })
    const differences = 'content    bin/app\nmissing    empty\nmissing    gone\n'
    const others = 'target     link (mode, not gone)\nmode       mode (0755, not 0644)\n'
    expect(await verify(reference, 'tree')).toMatchObject({
      status: 1,
      text: differences + others,
    })
    expect((await verify('tree', '--extra')).text).toContain('extra      new\n')
    expect(await verify('tree', '--path', 'mode')).toMatchObject({ status: 1 })
    const { text } = await verify('tree', '--json')
    expect(JSON.parse(text)).toMatchObject({
      attestation: { project: 'octo/app', run: lastRun, job: 'upload', untrusted: false },
      missing: 2,
      changed: 3,
    })
  })

  test('may be checked against an attestation of a part, without --extra', async () => {
    await makeTree(tree, { 'bin/app': 'app', 'lib/a': 'a' })
    await attestTree(':bin')
    await rm(join(tree, 'lib'), { recursive: true })
    expect(await verify('tree')).toMatchObject({ status: 0 })
    expect(await verify('tree', '--extra')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        '--extra needs an attestation of the whole artifact, not of bin',
      ),
    })
  })
})

describe('a file', () => {
  test('matches any attested file, or the zip', async () => {
    const zip = Buffer.from(zipOf({ 'bin/app': 'the app', other: 'o' }))
    const headers = { 'content-type': 'application/zip' }
    await server.put(`${lastRun}/zipped?sha=abc&branch=main`, { headers, body: zip })
    await attest(`${lastRun}/zipped`)
    await writeFile(join(root, 'a.zip'), zip)
    await writeFile(join(root, 'mine'), 'the app')
    const told = expect.stringMatching(
      /^zipped of run .*, commit abc, branch main, .*\nzipped {2}7 B: identical as bin\/app {2}\S+mine\n$/,
    ) as string
    expect(await verify('mine')).toMatchObject({ status: 0, text: '', stderr: told })
    expect(await verify('a.zip')).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(': identical as zipped.zip  '),
    })
    const found = `sha256:${digestOf('the app')}`
    const { text } = await verify('mine', '--json')
    expect(JSON.parse(text)).toMatchObject({ expected: found, found, attested: 'bin/app' })
    await appendFile(join(root, 'mine'), '.')
    const other = `content    ${join(root, 'mine')}\n`
    expect(await verify('mine')).toMatchObject({ status: 1, text: other })
  })

  test('matches an attestation of a part only if it belongs to the part', async () => {
    await makeTree(tree, { 'bin/app': 'app', 'lib/a': 'a' })
    await attestTree(':bin/app')
    expect(await verify('tree/bin/app')).toMatchObject({ status: 0 })
    expect(await verify('tree/lib/a')).toMatchObject({ status: 1 })
    const missing = await trove('attest', `${lastRun}/build:bin/ap`)
    expect(missing).toMatchObject({ status: 3, text: '' })
  })
})

describe('an attestation', () => {
  interface Bundle {
    verificationMaterial?: object
    dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] }
  }
  const change = async (edit: (bundle: Bundle) => unknown): Promise<void> => {
    const file = join(root, 'attestation.json')
    const bundle = JSON.parse(await readFile(file, 'utf8')) as Bundle
    await writeFile(file, JSON.stringify(edit(bundle) ?? bundle))
  }

  test.each<[string, string, (bundle: Bundle) => unknown]>([
    [
      'another payload',
      'was changed',
      ({ dsseEnvelope: envelope }) => {
        const text = Buffer.from(envelope.payload, 'base64').toString()
        const other = text.replace('"job":"upload"', '"job":"release"')
        expect(other).not.toBe(text)
        envelope.payload = Buffer.from(other).toString('base64')
      },
    ],
    [
      'a longer payload',
      'was changed',
      ({ dsseEnvelope: envelope }) => {
        const text = Buffer.from(envelope.payload, 'base64').toString()
        envelope.payload = Buffer.from(`${text} `).toString('base64')
      },
    ],
    [
      'another signature',
      'was changed',
      ({ dsseEnvelope: envelope }) => {
        const bytes = Buffer.from(envelope.signatures[0]!.sig, 'base64')
        bytes[bytes.length - 1]! ^= 1
        envelope.signatures = [{ sig: bytes.toString('base64') }]
      },
    ],
    [
      'an empty signature',
      'was changed',
      ({ dsseEnvelope: envelope }) => {
        envelope.signatures = [{ sig: '' }]
      },
    ],
    [
      'no signature',
      'was changed',
      ({ dsseEnvelope: envelope }) => {
        envelope.signatures = []
      },
    ],
    [
      'another type of payload',
      'it has no in-toto envelope',
      ({ dsseEnvelope: envelope }) => {
        envelope.payloadType = 'application/json'
      },
    ],
    ['no envelope', 'it has no in-toto envelope', () => ({ dsseEnvelope: null })],
    ['no object', 'it has no in-toto envelope', () => []],
  ])('with %s is rejected', async (_, reason, edit) => {
    await makeTree(tree, { a: 'a' })
    await attestTree()
    expect(await verify('tree')).toMatchObject({ status: 0 })
    await change(edit)
    const stderr = expect.stringContaining(reason) as string
    expect(await verify('tree')).toMatchObject({ status: 6, text: '', stderr })
  })

  test('is found to be about NAME of the run of a job', async () => {
    await makeTree(tree, { a: 'a' })
    await attestTree()
    const given = ['verify', 'build', 'tree', '--attestation', 'attestation.json']
    const inJob = async (run: number): Promise<Outcome> =>
      await runTroveInside(
        given,
        { ...(await server.access()), TROVE_PROJECT: 'octo/app', TROVE_RUN: String(run) },
        root,
      )
    expect(await inJob(lastRun)).toMatchObject({ status: 0 })
    expect(await inJob(lastRun + 1)).toMatchObject({ status: 6 })
  })

  test('is accepted as a bare envelope', async () => {
    await makeTree(tree, { a: 'a' })
    await attestTree()
    await change(({ dsseEnvelope }) => dsseEnvelope)
    expect(await verify('tree')).toMatchObject({ status: 0 })
  })

  test("is verified with the given keys, else with the server's keys", async () => {
    await makeTree(tree, { a: 'a' })
    await attestTree()
    const own = await readFile(join(root, 'trove.pub'), 'utf8')
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const other = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    await writeFile(join(root, 'trove.pub'), other)
    expect(await verify('tree')).toMatchObject({
      status: 6,
      stderr: expect.stringContaining('was signed by another key'),
    })
    await writeFile(join(root, 'trove.pub'), other + own)
    expect(await verify('tree')).toMatchObject({ status: 0 })
    await writeFile(join(root, 'trove.pub'), 'none')
    expect(await verify('tree')).toMatchObject({ status: 2 })
    const unaided = ['verify', 'tree', '--attestation', 'attestation.json']
    expect(await trove(...unaided)).toMatchObject({ status: 0 })
    expect(await offline(...unaided)).toMatchObject({ status: 10 })
  })

  test('of a pull request is accepted only with --allow-untrusted', async () => {
    await makeTree(tree, { a: 'a' })
    const tar = [{ name: 'a', content: 'a' }]
    await server.put(`${lastRun}/build?event=pull_request`, { tar })
    await attest(`${lastRun}/build`)
    expect(await verify('tree')).toMatchObject({
      status: 6,
      text: '',
      stderr: expect.stringContaining('its code was not merged'),
    })
    expect(await verify('tree', '--allow-untrusted')).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(', from a pull request, '),
    })
  })

  test('must be about the named artifact', async () => {
    await makeTree(tree, { a: 'a' })
    const reference = await attestTree()
    const { artifactId } = JSON.parse((await verify('tree', '--json')).text) as {
      artifactId: number
    }
    const run = String(lastRun)
    for (const same of [
      [reference, 'tree'],
      [reference.toUpperCase().replace('BUILD', 'build'), 'tree'],
      [`${run}/build`, 'tree', '--project', 'octo/app'],
      [`id:${artifactId}`, 'tree'],
      ['tree', '--project', 'octo/app'],
    ])
      expect(await verify(...same)).toMatchObject({ status: 0 })
    for (const other of [
      [`octo/app@${run}0/build`, 'tree'],
      [`octo/app@${run}/other`, 'tree'],
      [`octo/other@${run}/build`, 'tree'],
      [`${run}/build`, 'tree', '--project', 'octo/other'],
      [`id:${artifactId + 1}`, 'tree'],
      ['tree', '--project', 'octo/other'],
    ])
      expect(await verify(...other)).toMatchObject({
        status: 6,
        text: '',
        stderr: expect.stringContaining(`is about ${reference}, id:${artifactId}`),
      })
    expect(await verify(`${run}/build`, 'tree')).toMatchObject({ status: 2 })
    expect(await verify('latest:main/build', 'tree')).toMatchObject({ status: 2 })
  })
})

test('a token that may not read an artifact cannot get an attestation of it', async () => {
  await server.put(`${lastRun}/build`)
  const token = await server.token({ project: 'eve/own' })
  const access = { TROVE_URL: server.url, TROVE_TOKEN: token, TROVE_PROJECT: 'octo/app' }
  const refused = await runTroveInside(['attest', `${lastRun}/build`], access, root)
  expect(refused).toMatchObject({ status: 3, text: '' })
})

test.each([
  [['attest'], 2, 'REF is missing'],
  [['attest', '1/a', '--public-key'], 2, 'unexpected argument "1/a"'],
  [['verify', '1/a', '--key', 'k'], 2, '--key and --allow-untrusted need --attestation'],
  [['verify', '--attestation', 'a'], 2, 'DIR|FILE is missing'],
  [['verify', 'tree', '--attestation', 'nowhere', '--key', 'k'], 1, 'does not exist'],
])('%j ends with %d', async (args, status, reason) => {
  const stderr = expect.stringContaining(reason) as string
  expect(await offline(...args)).toMatchObject({ status, text: '', stderr })
})
