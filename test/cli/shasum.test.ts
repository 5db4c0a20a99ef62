/** `trove shasum`, checked with `sha256sum -c`. */
import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { listen } from '../client/listen.ts'
import { makeDirectory, makeHardTree, makeTree } from '../client/tree.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { zipOf } from '../actions/archives.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import type { Outcome } from './run-trove.ts'

const zip = Buffer.from(zipOf({ 'a/b': 'content' }))
const server = await openSharedServer()
let zipId: number
beforeAll(async () => {
  const headers = { 'content-type': 'application/zip' }
  zipId = await server.put('1/zipped', { headers, body: zip })
})

async function trove(args: string[], cwd?: string): Promise<Outcome> {
  return await runTroveInside(args, { ...(await server.access()), HOME: '/nonexistent' }, cwd)
}

/** Uploads as artifact `1/NAME`. */
async function upload(directory: string, name: string): Promise<void> {
  const args = ['upload', name, directory, '--run', '1', '--include-hidden']
  expect(await trove(args)).toMatchObject({ status: 0 })
}

function sha256sum(args: string[], cwd: string, input?: string | Buffer): string {
  return execFileSync('sha256sum', args, { cwd, input, encoding: 'utf8' })
}

test('output for unusual names and large files passes sha256sum -c in the downloaded directory', async () => {
  const root = await makeDirectory()
  const tree = join(root, 'tree')
  await makeHardTree(tree)
  await makeTree(tree, {
    '-': 'would mean stdin',
    '-n': 'a flag',
    'back\\slash/a\\nb': 'an escape',
    ' blank ': 'b',
    large: Buffer.alloc(9_000_000, 'in parts'),
  })
  await upload(tree, 'hard')
  expect(await trove(['download', '1/hard', join(root, 'there')])).toMatchObject({ status: 0 })
  const listed = await trove(['shasum', '1/hard'])
  expect(listed).toMatchObject({ status: 0, stderr: '' })
  expect(sha256sum(['-c', '--strict', '--quiet'], join(root, 'there'), listed.stdout)).toBe('')
  const lines = listed.text.trimEnd().split('\n')
  expect(lines).toHaveLength(19)
  expect(lines).toContain(`\\${digestOf('an escape')}  back\\\\slash/a\\\\nb`)
  expect(lines.filter((line) => line.startsWith('\\'))).toEqual(
    sha256sum(['back\\slash/a\\nb'], join(root, 'there')).trimEnd().split('\n'),
  )
  expect(listed.text).not.toMatch(/dangling|link|absolute|empty-directory/)
})

test('for a path prints the file, or the files below it, with paths from the root; JSON has sizes', async () => {
  const root = await makeDirectory({
    'bin/app': 'app',
    'bin/sub/x': 'x',
    VERSION: '1',
    link: '-> VERSION',
    d: null,
  })
  await upload(root, 'paths')
  const [app, x] = [digestOf('app'), digestOf('x')]
  expect((await trove(['shasum', '1/paths:bin/app'])).text).toBe(`${app}  bin/app\n`)
  const below = await trove(['shasum', '1/paths:bin/'])
  expect(below.text).toBe(`${app}  bin/app\n${x}  bin/sub/x\n`)
  const { text } = await trove(['shasum', '1/paths:bin', '--json'])
  expect(JSON.parse(text)).toEqual([
    { path: 'bin/app', digest: `sha256:${app}`, sizeBytes: 3 },
    { path: 'bin/sub/x', digest: `sha256:${x}`, sizeBytes: 1 },
  ])
  for (const [path, reason] of [
    ['link', 'it is a symlink to VERSION'],
    ['d', 'it is a directory'],
    ['nowhere', 'has no "nowhere"'],
  ] as const) {
    expect(await trove(['shasum', `1/paths:${path}`])).toMatchObject({
      status: 3,
      text: '',
      stderr: expect.stringContaining(reason),
    })
  }
  await Promise.all(
    ['bin', 'VERSION', 'link'].map((path) => rm(join(root, path), { recursive: true })),
  )
  await upload(root, 'no-files')
  expect(await trove(['shasum', '1/no-files'])).toMatchObject({
    status: 0,
    text: '',
    stderr: 'no-files has no files\n',
  })
})

test('--zip prints the digest of the downloaded zip, or says why it is unknown; --tree prints the tree digest', async () => {
  const root = await makeDirectory()
  const known = await trove(['shasum', '1/zipped', '--zip'])
  expect(known).toMatchObject({ status: 0, text: `${digestOf(zip)}  zipped.zip\n`, stderr: '' })
  expect(await trove(['download', '1/zipped', '--format', 'zip'], root)).toMatchObject({
    status: 0,
  })
  expect(sha256sum(['-c', '--strict', '--quiet'], root, known.stdout)).toBe('')
  const json = await trove(['shasum', '1/zipped', '--zip', '--json'])
  expect(JSON.parse(json.text)).toEqual({
    artifactId: zipId,
    name: 'zipped',
    zipDigest: `sha256:${digestOf(zip)}`,
  })
  const tree = await trove(['shasum', '1/zipped', '--tree'])
  expect(tree.text).toMatch(/^sha256:[0-9a-f]{64}\n$/)
  const treeDigest = tree.text.trim()
  const treeJson = await trove(['shasum', '1/zipped', '--tree', '--json'])
  expect(JSON.parse(treeJson.text)).toEqual({ artifactId: zipId, name: 'zipped', treeDigest })
  await writeFile(join(root, 'file'), 'x')
  await upload(root, 'generated')
  expect(await trove(['shasum', '1/generated', '--zip'])).toMatchObject({
    status: 3,
    text: '',
    stderr: expect.stringContaining('was not uploaded as a zip'),
  })
})

test.each([
  [['shasum'], 'REF is missing'],
  [['shasum', '1/zipped', '--zip', '--tree'], '--zip and --tree cannot be combined'],
  [['shasum', '1/zipped:a', '--zip'], '--zip applies to the whole artifact'],
  [['shasum', '1/zipped:a', '--tree'], '--tree applies to the whole artifact'],
])('%j is rejected', async (args, reason) => {
  const stderr = expect.stringContaining(reason) as string
  expect(await trove(args)).toMatchObject({ status: 2, text: '', stderr })
})

/** Runs a command on an artifact of a server that says this of its one file. */
async function onLie(args: string[], { path = 'a', digest = `sha256:${digestOf('a')}` }) {
  const entry = { kind: 'file', path, mode: '0644', sizeBytes: 1, digest }
  const liar = await listen(
    createServer((request, response) => {
      const isManifest = request.url!.includes('/manifest')
      const artifact = { id: 1, name: 'a', treeDigest: '', zipDigest: digest }
      response.end(`${JSON.stringify(isManifest ? entry : artifact)}\n`)
    }),
  )
  return await runTroveInside(args, { TROVE_URL: liar, TROVE_TOKEN: 'x' })
}

test('a misbehaving server cannot inject lines or paths outside the directory', async () => {
  for (const path of [`a\n${'0'.repeat(64)}  b`, '../b', '/b']) {
    expect(await onLie(['shasum', 'id:1'], { path })).toMatchObject({
      status: 1,
      text: '',
      stderr: expect.stringContaining('invalid path'),
    })
  }
})

test.each([[['shasum', 'id:1']], [['shasum', 'id:1', '--zip']], [['cat', 'id:1:a']]])(
  '%j reports what a server sent in place of a digest',
  async (args) => {
    const { status, text, stderr } = await onLie(args, { digest: `sha256:${'A'.repeat(64)}` })
    expect([status, text]).toEqual([10, ''])
    expect(stderr).toMatch(/ cannot read: "sha256:A+" instead of a digest\n/)
  },
)
