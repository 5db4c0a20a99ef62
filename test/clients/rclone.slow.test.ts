/** rclone against `/dav`: listing, copying, comparing and mounting. Without permission to mount,
 *  that is skipped, unless TROVE_MOUNTS_REQUIRED is set (as in CI). */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { startSharedServer, uploadDirectory } from '../client/shared-server.ts'
import {
  describeTree,
  makeDirectory,
  makeHardTree,
  makeTree,
  pseudoRandom,
} from '../client/tree.ts'
import { tarOf } from '../http/archives-of.ts'

const { trove, token } = await startSharedServer()
const client = createClient({ url: trove.url, token, cacheDir: null })
const env = {
  PATH: process.env['PATH'],
  RCLONE_CONFIG: '',
  RCLONE_WEBDAV_URL: `${trove.url}/dav`,
  RCLONE_WEBDAV_BEARER_TOKEN: token,
}

async function rclone(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('rclone', args, { env, maxBuffer: 2 ** 26 })
  return stdout
}

async function upload(directory: string): Promise<string> {
  const { artifact } = await uploadDirectory(client, directory)
  const answer = await fetch(`${trove.url}/api/v1/artifacts/${artifact.id}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { run } = (await answer.json()) as { run: number }
  return `:webdav:octo/demo/runs/${run}/build`
}

test('a tree with odd names is listed and copied whole, without links that lead elsewhere', async () => {
  const root = await makeDirectory()
  await makeHardTree(root)
  await makeTree(root, {
    'a&b<c>"d\'.txt': 'markup',
    '100%': 'percent',
    '%41': 'escape',
    '#?;=+ :@': 'address',
    'back\\slash': 'b',
    'no\ufffe\uffff': 'no characters of XML',
    'sub/to-file': '-> ../a.txt',
  })
  const place = await upload(root)
  const back = await makeDirectory()
  // One name is there in two normal forms.
  await rclone('copy', '--no-unicode-normalization', '--create-empty-src-dirs', place, back)
  await rclone('check', '--no-unicode-normalization', '--download', place, back)
  // WebDAV has no links and no modes.
  for (const link of ['link', 'dangling', 'absolute']) await rm(join(root, link))
  const plain = async (directory: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      Object.entries(await describeTree(directory)).map(([path, text]) => [
        path,
        text.replace(/ [0-7]{3}\b/, ''),
      ]),
    )
  const { 'sub/to-file': copied, ...files } = await plain(back)
  const { 'sub/to-file': _link, ...wanted } = await plain(root)
  expect(files).toEqual(wanted)
  expect(copied).toBe(wanted['a.txt'])
})

test('all of 50,000 files in one directory are listed', async () => {
  const tar = await tarOf(Array.from({ length: 50_000 }, (_, index) => ({ name: `f${index}` })))
  const path = '/api/v1/projects/octo/demo/runs/9/artifacts/many'
  const answer = await fetch(trove.url + path, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-tar' },
    body: new Uint8Array(tar),
  })
  expect(answer.status).toBe(201)
  const listed = (await rclone('lsf', ':webdav:octo/demo/runs/9/many')).trimEnd().split('\n')
  expect([listed.length, new Set(listed).size]).toEqual([50_000, 50_000])
})

test('nothing can be written', async () => {
  const root = await makeDirectory({ f: 'f' })
  const place = await upload(root)
  const copying = rclone('copy', '--retries', '1', '--no-check-dest', root, place)
  await expect(copying).rejects.toThrow('artifacts are read-only here: there is no PUT')
})

test('a mount reads any part of a large file', async ({ skip }) => {
  const large = pseudoRandom(32 * 1024 * 1024, 'large')
  const place = await upload(await makeDirectory({ 'sub/large': large, small: 'small' }))
  const mounted = join(await makeDirectory(), 'mounted')
  await mkdir(mounted)
  const mount = spawn('rclone', ['mount', '--read-only', place, mounted], { env, stdio: 'ignore' })
  onTestFinished(async () => {
    if (mount.exitCode === null) {
      mount.kill('SIGTERM')
      await once(mount, 'exit')
    }
  })
  await expect
    .poll(async () => mount.exitCode ?? (await readdir(mounted)).length, { timeout: 30_000 })
    .toBeGreaterThan(0)
  if (mount.exitCode !== null) {
    if (process.env['TROVE_MOUNTS_REQUIRED'] !== undefined) throw new Error('rclone cannot mount')
    skip('needs permission to mount')
  }
  expect((await readdir(mounted)).toSorted()).toEqual(['small', 'sub'])
  expect(await readFile(join(mounted, 'small'), 'utf8')).toBe('small')
  const file = await open(join(mounted, 'sub/large'))
  for (const at of [large.length - 4096, 0, 20_000_001]) {
    const { buffer } = await file.read(Buffer.alloc(4096), 0, 4096, at)
    expect(buffer.equals(large.subarray(at, at + 4096))).toBe(true)
  }
  await file.close()
  await expect(writeFile(join(mounted, 'new'), 'x')).rejects.toThrow('EROFS')
})
