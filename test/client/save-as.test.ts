/** A saved file is complete or absent, whatever is in its way. */
import { execFile } from 'node:child_process'
import { lstat, readdir, readFile, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { saveAs } from '../../src/client/files/save-as.ts'
import { makeDirectory } from './tree.ts'

const run = promisify(execFile)

/** Yields its first piece, and the rest once `until` resolves. */
async function* slowly(
  pieces: readonly string[],
  until: Promise<void>,
): AsyncGenerator<Uint8Array> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await until
    yield Buffer.from(piece)
  }
}

test('of two concurrent saves under one name, each is complete when it is reported done', async () => {
  const directory = await makeDirectory()
  const target = join(directory, 'f'.repeat(255))
  let goOn = (): void => {}
  const until = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const slow = saveAs(target, slowly(['slow', ' and whole'], until))
  await expect.poll(async () => (await readdir(directory)).length).toBe(1)
  await saveAs(target, slowly(['fast'], until))
  expect(await readFile(target, 'utf8')).toBe('fast')
  goOn()
  await slow
  expect(await readFile(target, 'utf8')).toBe('slow and whole')
  expect(await readdir(directory)).toEqual([basename(target)])
})

test('nothing is written through a symlink beside the target', async () => {
  const directory = await makeDirectory({ victim: 'untouched' })
  await symlink('victim', join(directory, 'file.partial'))
  await saveAs(join(directory, 'file'), slowly(['content'], Promise.resolve()))
  expect(await readFile(join(directory, 'victim'), 'utf8')).toBe('untouched')
  expect((await lstat(join(directory, 'file'))).isFile()).toBe(true)
})

test('a pipe, a device or a directory is not replaced', async () => {
  const directory = await makeDirectory()
  const pipe = join(directory, 'pipe')
  await run('mkfifo', [pipe])
  await symlink(pipe, join(directory, 'link'))
  for (const target of [pipe, join(directory, 'link'), directory]) {
    const saving = saveAs(target, slowly(['content'], Promise.resolve()))
    await expect(saving).rejects.toThrow(
      `${target} is not a regular file, so it cannot be replaced`,
    )
  }
  expect((await lstat(pipe)).isFIFO()).toBe(true)
})
