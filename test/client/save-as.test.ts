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

test('a file whose content fails or is aborted keeps what it had, and nothing is left beside it', async () => {
  const directory = await makeDirectory({ file: 'before' })
  const target = join(directory, 'file')
  const untouched = async (): Promise<void> => {
    expect(await readFile(target, 'utf8')).toBe('before')
    expect(await readdir(directory)).toEqual(['file'])
  }
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from('half')
    throw new Error('broke off')
  }
  await expect(saveAs(target, failing())).rejects.toThrow('broke off')
  await untouched()
  const aborting = new AbortController()
  const saving = saveAs(target, slowly(['half', 'rest'], new Promise(() => {})), aborting.signal)
  aborting.abort()
  await expect(saving).rejects.toThrow('aborted')
  await untouched()
  const homeless = join(directory, 'absent/file')
  await expect(saveAs(homeless, slowly(['x'], Promise.resolve()))).rejects.toThrow(
    `${homeless} cannot be written: its directory does not exist`,
  )
  await saveAs(target, slowly(['after'], Promise.resolve()))
  expect(await readFile(target, 'utf8')).toBe('after')
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
