/** `trove verify`: a directory against its artifact, and a file against what a server serves. */
import { execFileSync } from 'node:child_process'
import {
  chmod,
  mkdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  describeTree,
  makeDirectory,
  makeHardTree,
  makeTree,
  pseudoRandom,
} from '../client/tree.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { zipOf } from '../actions/archives.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const large = pseudoRandom(9_000_000, 'in parts')

const server = await openSharedServer()

let root: string
let tree: string
beforeEach(async () => {
  root = await makeDirectory()
  tree = join(root, 'tree')
  await mkdir(tree)
})

async function trove(...args: string[]): Promise<Outcome> {
  const access = { ...(await server.access()), TROVE_CACHE_DIR: join(root, '.cache') }
  return await runTroveInside(args, access, root)
}

/** Uploads all of `tree` as artifact `1/NAME`, and downloads it to `there`, which is then
 *  cached. */
async function uploadAndFetch(name: string): Promise<string> {
  const uploaded = await trove('upload', name, 'tree', '--run', '1', '--include-hidden')
  expect(uploaded).toMatchObject({ status: 0 })
  expect(await trove('download', `1/${name}`, 'there')).toMatchObject({ status: 0 })
  return join(root, 'there')
}

describe('a directory', () => {
  test('with unusual names is identical after a download, and is not changed', async () => {
    await makeHardTree(tree)
    await makeTree(tree, { '-n': 'n', 'back\\slash/a\\b': 'b', ' blank ': 'b', large })
    const there = await uploadAndFetch('hard')
    const before = await describeTree(there)
    expect(await trove('verify', '1/hard', 'there', '--extra')).toMatchObject({
      status: 0,
      text: '',
      stderr: expect.stringMatching(/^hard {2}18 files, \d+\.\d MiB: identical {2}\S+there\n$/),
    })
    expect(await describeTree(there)).toEqual(before)
    // One byte changes; size and time stay.
    const { atime, mtime } = await stat(join(there, 'large'))
    const changed = Buffer.from(large)
    changed[8_500_000]! ^= 1
    await writeFile(join(there, 'large'), changed)
    await utimes(join(there, 'large'), atime, mtime)
    expect(await trove('verify', '1/hard', 'there')).toMatchObject({
      status: 1,
      text: 'content    large\n',
      stderr: expect.stringContaining(': 1 changed  '),
    })
  })

  test('shows every kind of difference, in path order', async () => {
    await makeTree(tree, {
      'a/gone': 'g',
      'a/kept': 'k',
      'b/deep/file': 'f',
      'c/becomes-directory': 'c',
      'c/becomes-link': 'c',
      'd/empty': null,
      'd/gone-too': null,
      link: '-> a/kept',
      'link-to-file': '-> a/kept',
      mode: 'm',
      zero: '',
    })
    const there = await uploadAndFetch('many')
    await unlink(join(there, 'a/gone'))
    await chmod(join(there, 'a'), 0o750)
    await rename(join(there, 'b'), join(there, 'elsewhere'))
    await writeFile(join(there, 'b'), 'a file')
    await unlink(join(there, 'c/becomes-directory'))
    await makeTree(there, { 'c/becomes-directory/x': 'x', 'new/x': 'x', 'a/new': 'n' })
    await unlink(join(there, 'c/becomes-link'))
    await symlink('../a/kept', join(there, 'c/becomes-link'))
    await chmod(join(there, 'd/empty'), 0o700)
    await rm(join(there, 'd/gone-too'), { recursive: true })
    await unlink(join(there, 'link'))
    await symlink('a/other', join(there, 'link'))
    await unlink(join(there, 'link-to-file'))
    await writeFile(join(there, 'link-to-file'), 'k')
    await chmod(join(there, 'mode'), 0o755)
    await writeFile(join(there, 'zero'), '0')
    const told = [
      ['mode', 'a (0750, not 0755)'],
      ['missing', 'a/gone'],
      ['kind', 'b (file, not directory)'],
      ['missing', 'b/deep/file'],
      ['kind', 'c/becomes-directory (directory, not file)'],
      ['kind', 'c/becomes-link (symlink, not file)'],
      ['mode', 'd/empty (0700, not 0755)'],
      ['missing', 'd/gone-too'],
      ['target', 'link (a/other, not a/kept)'],
      ['kind', 'link-to-file (file, not symlink)'],
      ['mode', 'mode (0755, not 0644)'],
      ['content', 'zero'],
    ] as const
    const lines = told.map(([kind, text]) => `${kind.padEnd(10)} ${text}`)
    const compared = await trove('verify', '1/many', 'there')
    expect([compared.status, compared.text.trimEnd().split('\n')]).toEqual([1, lines])
    expect(compared.stderr).toContain('3 missing, 9 changed  ')
    const { text } = await trove('verify', '1/many', 'there', '--extra', '--json')
    const answer = JSON.parse(text) as { items: { kind: string; path: string }[] }
    expect(answer).toMatchObject({ name: 'many', missing: 3, changed: 9, extra: 3, files: 7 })
    expect(answer.items.filter(({ kind }) => kind === 'extra').map(({ path }) => path)).toEqual([
      'a/new',
      'elsewhere',
      'new',
    ])
    expect(answer.items).toHaveLength(15)
    expect(answer.items[0]).toEqual({ kind: 'mode', path: 'a', expected: '0755', found: '0750' })
  })

  test('is never left through a symlink', async () => {
    await makeTree(tree, { 'a/b/file': 'f', other: 'o' })
    const there = await uploadAndFetch('links')
    // The symlink's target has identical content.
    await rename(join(there, 'a/b'), join(root, 'outside'))
    await symlink(join(root, 'outside'), join(there, 'a/b'))
    await rename(join(there, 'other'), join(root, 'other'))
    await symlink(join(root, 'other'), join(there, 'other'))
    const compared = await trove('verify', '1/links', 'there', '--extra')
    expect([compared.status, compared.text]).toEqual([
      1,
      'kind       a/b (symlink, not directory)\nmissing    a/b/file\nkind       other (symlink, not file)\n',
    ])
    // DIR itself may be a symlink.
    await symlink('tree', join(root, 'alias'))
    expect(await trove('verify', '1/links', 'alias')).toMatchObject({ status: 0 })
  })

  test('names cannot control the terminal', async () => {
    await makeTree(tree, { a: 'a' })
    const there = await uploadAndFetch('plain')
    await writeFile(join(there, 'x\n\u001b[2Jmissing    y'), '')
    expect((await trove('verify', '1/plain', 'there', '--extra')).text).toBe(
      'extra      x\ufffd\ufffd[2Jmissing    y\n',
    )
  })

  test('--path compares a part; one that matches nothing fails', async () => {
    await makeTree(tree, { 'bin/a': 'a', 'lib/b': 'b' })
    const there = await uploadAndFetch('parts')
    await rm(join(there, 'lib'), { recursive: true })
    const part = await trove('verify', '1/parts', 'there', '--path', 'bin/**')
    expect(part).toMatchObject({ status: 0, text: '' })
    expect(await trove('verify', '1/parts', 'there')).toMatchObject({ status: 1 })
    expect(await trove('verify', '1/parts', 'there', '--path', 'bim/**')).toMatchObject({
      status: 12,
      text: '',
      stderr: expect.stringContaining('no path in the artifact matches bim/**'),
    })
  })
})

describe('a file', () => {
  test('is compared with the served zip, when its digest is known', async () => {
    const zip = Buffer.from(zipOf({ a: 'content' }))
    await server.put('1/zipped', { headers: { 'content-type': 'application/zip' }, body: zip })
    expect(await trove('download', '1/zipped', '-o', 'a.zip')).toMatchObject({ status: 0 })
    expect(await trove('verify', '1/zipped', 'a.zip')).toMatchObject({
      status: 0,
      text: '',
      stderr: expect.stringContaining(': identical'),
    })
    const cut = (await readFile(join(root, 'a.zip'))).subarray(1)
    await writeFile(join(root, 'a.zip'), cut)
    const [found, expected] = [`sha256:${digestOf(cut)}`, `sha256:${digestOf(zip)}`]
    expect(await trove('verify', '1/zipped', 'a.zip')).toMatchObject({
      status: 1,
      text: `content    ${join(root, 'a.zip')} (${found}, not ${expected})\n`,
    })
    const { status, text } = await trove('verify', '1/zipped', 'a.zip', '--json')
    expect([status, JSON.parse(text)]).toMatchObject([1, { name: 'zipped', expected, found }])
    await makeTree(tree, { a: 'content' })
    await uploadAndFetch('generated')
    expect(await trove('verify', '1/generated', 'a.zip')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('was not uploaded as a zip'),
    })
  })

  test('is compared with the file of a raw artifact', async () => {
    await server.put('1/raw?filename=x', { body: 'raw' })
    await writeFile(join(root, 'file'), 'raw')
    expect(await trove('verify', '1/raw', 'file')).toMatchObject({ status: 0 })
    await writeFile(join(root, 'file'), 'Raw')
    expect(await trove('verify', '1/raw', 'file')).toMatchObject({ status: 1 })
  })
})

test.each([
  [['verify'], 2, 'REF is missing'],
  [['verify', '1/a', 'b', 'c'], 2, 'unexpected argument "c"'],
  [['verify', '1/a', '--extra', '--path', 'x'], 2, '--extra and --path cannot be combined'],
  [['verify', '1/a', process.execPath, '--extra'], 2, '--extra works only with a directory'],
  [['verify', '1/nothing', '.'], 3, 'there is no artifact 1/nothing'],
])('%j ends with %d', async (args, status, reason) => {
  const stderr = expect.stringContaining(reason) as string
  expect(await trove(...args)).toMatchObject({ status, text: '', stderr })
})

test('a missing DIR is an error, not a missing artifact', async () => {
  await makeTree(tree, { a: 'a' })
  await uploadAndFetch('somewhere')
  expect(await trove('verify', '1/somewhere', 'nowhere')).toMatchObject({
    status: 1,
    text: '',
    stderr: expect.stringContaining('nowhere does not exist'),
  })
  const below = await trove('verify', '1/somewhere', 'tree/a/b')
  expect(below.stderr).toContain(`trove: ${join(tree, 'a/b')} does not exist`)
  execFileSync('mkfifo', [join(root, 'pipe')])
  expect(await trove('verify', '1/somewhere', 'pipe')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('pipe is not a directory'),
  })
})
