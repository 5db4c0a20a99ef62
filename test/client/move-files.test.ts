/** Files replace others, whether the disk frees these fast or slowly. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, statSync } from 'node:fs'
import { chmod, readFile, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FileError } from '../../src/client/files/file-error.ts'
import { moveFiles } from '../../src/client/files/move-files.ts'
import { describeTree, makeDirectory, makeTree } from './tree.ts'
import { openFiles } from '../open-files.ts'

const run = promisify(execFile)
const count = 20
const names = Array.from({ length: count }, (_, index) => String(index))

async function makeBoth(): Promise<{ root: string; paths: string[] }> {
  const own = (content: string): Record<string, string> =>
    Object.fromEntries(names.map((name) => [name, `${content} ${name}`]))
  const root = await makeDirectory({ from: null, to: null })
  for (const side of ['from', 'to']) await makeTree(join(root, side), own(side))
  return {
    root,
    paths: names.flatMap((name) => [join(root, 'from', name), join(root, 'to', name)]),
  }
}

/** A clock that advances by `stepMs` with each reading. */
function clock(stepMs: number): () => number {
  let now = 0
  return () => (now += stepMs)
}

describe.each([
  ['fast', 0],
  ['slow', 1],
])('on a %s disk', (_, stepMs) => {
  test('all files are moved, and nothing stays open', async () => {
    const { root, paths } = await makeBoth()
    const before = openFiles()
    await moveFiles(
      { paths: paths.join('\0'), replaces: new Uint8Array(count).fill(1) },
      clock(stepMs),
    )
    expect(openFiles()).toBe(before)
    for (const name of names)
      expect(await readFile(join(root, 'to', name), 'utf8')).toBe(`from ${name}`)
    expect(readdirSync(join(root, 'from'))).toEqual([])
  })

  test('a file that cannot be moved is named, and nothing stays open', async () => {
    const { root, paths } = await makeBoth()
    const missing = join(root, 'to', '15')
    await rm(join(root, 'from', '15'))
    const before = openFiles()
    const moving = moveFiles(
      { paths: paths.join('\0'), replaces: new Uint8Array(count).fill(1) },
      clock(stepMs),
    )
    await expect(moving).rejects.toThrow(FileError)
    await expect(moving).rejects.toMatchObject({ path: missing })
    expect(openFiles()).toBe(before)
    expect(await readFile(missing, 'utf8')).toBe('to 15')
  })

  test('a pipe that replaced a file does not block', async () => {
    const { root, paths } = await makeBoth()
    await rm(join(root, 'to', '18'))
    await run('mkfifo', [join(root, 'to', '18')])
    await moveFiles(
      { paths: paths.join('\0'), replaces: new Uint8Array(count).fill(1) },
      clock(stepMs),
    )
    expect(await readFile(join(root, 'to', '18'), 'utf8')).toBe('from 18')
  })
})

test('a file is not replaced where nothing may be', async () => {
  const { root, paths } = await makeBoth()
  await rm(join(root, 'to', '0'))
  const moving = moveFiles({ paths: paths.join('\0'), replaces: new Uint8Array(count) })
  await expect(moving).rejects.toMatchObject({ path: join(root, 'to', '1') })
  await expect(moving).rejects.toThrow('appeared meanwhile')
  expect(await readFile(join(root, 'to', '0'), 'utf8')).toBe('from 0')
  expect(await readFile(join(root, 'to', '1'), 'utf8')).toBe('to 1')
})

/** An empty directory on another file system than `root`; undefined when there is none. */
async function directoryApart(root: string): Promise<string | undefined> {
  const place = ['/dev/shm', '/var/tmp'].find(
    (path) => existsSync(path) && statSync(path).dev !== statSync(root).dev,
  )
  if (place === undefined) return undefined
  const apart = mkdtempSync(`${place}/trove-`)
  onTestFinished(async () => {
    await rm(apart, { recursive: true })
  })
  return apart
}

test('moves across file systems keep modes, times and symlinks', async ({ skip }) => {
  const root = await makeDirectory()
  const other = await directoryApart(root)
  if (other === undefined) return skip('no other file system')
  await makeTree(root, { file: 'content', link: '-> nowhere' })
  await chmod(join(root, 'file'), 0o440)
  await utimes(join(root, 'file'), -1, -1)
  await makeTree(other, { file: 'older' })
  const paths = ['file', 'link'].flatMap((name) => [join(root, name), join(other, name)])
  const wanted = await describeTree(root)
  const { mtimeMs } = statSync(join(root, 'file'))
  await moveFiles({ paths: paths.join('\0'), replaces: Uint8Array.of(1, 0) })
  expect(await describeTree(other)).toEqual(wanted)
  expect(statSync(join(other, 'file')).mtimeMs).toBe(mtimeMs)
  expect(readdirSync(root)).toEqual([])
})

test('a file that cannot be moved to another file system stays, and nothing else does', async ({
  skip,
}) => {
  const root = await makeDirectory({ file: 'content' })
  const other = await directoryApart(root)
  if (other === undefined) return skip('no other file system')
  await makeTree(other, { 'full/own': 'kept' })
  for (const target of [join(other, 'full'), join(other, 'absent/file')]) {
    const paths = [join(root, 'file'), target].join('\0')
    const moving = moveFiles({ paths, replaces: Uint8Array.of(2) })
    await expect(moving).rejects.toMatchObject({ name: 'FileError', path: target })
    expect(await readFile(join(root, 'file'), 'utf8')).toBe('content')
    expect(readdirSync(other, { recursive: true })).toEqual(['full', join('full', 'own')])
  }
})
