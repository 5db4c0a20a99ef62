/** Which files count as unchanged since their stats were recorded. */
import { lstatSync } from 'node:fs'
import { chmod, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { notAsCached, type UnchangedTask } from '../../src/client/files/file-tasks.ts'
import { findUnchanged } from '../../src/client/files/find-unchanged.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { linesOf } from '../core/manifest-lines.ts'
import { makeDirectory, makeTree } from './tree.ts'

/** The task for files as they are now. */
function taskFor(root: string, paths: readonly string[]): UnchangedTask {
  const lines = paths.map((path) => `f 644 1 ${digestOf(path)} ${path}\n`)
  const { text, starts } = linesOf(Buffer.from(lines.join('')))
  const stats = paths.flatMap((path) => {
    const { size, mtimeMs, ctimeMs, ino } = lstatSync(join(root, path))
    return [size, mtimeMs, ctimeMs, ino]
  })
  return {
    kind: 'unchanged',
    root,
    text,
    starts,
    stats: Float64Array.from(stats),
    throughLinks: false,
    cursor: new Int32Array(1),
    modes: new Uint16Array(paths.length).fill(notAsCached),
  }
}

/** Permission bits of the files that are unchanged, null for the others. */
function unchanged(task: UnchangedTask): (number | null)[] {
  const { directories, directoryModes } = findUnchanged(task)
  expect(directories === '' ? 0 : directories.split('\n').length).toBe(directoryModes.length)
  return Array.from(task.modes, (mode) => (mode === notAsCached ? null : mode))
}

test('a file is unchanged only if its size, times and inode are as recorded', async () => {
  const paths = ['a', 'd/é', 'd/sub/c']
  const root = await makeDirectory(Object.fromEntries(paths.map((path) => [path, 'x'])))
  await chmod(join(root, 'd/sub/c'), 0o755)
  expect(unchanged(taskFor(root, paths))).toEqual([0o644, 0o644, 0o755])
  for (let column = 0; column < 4; column++) {
    const task = taskFor(root, paths)
    task.stats[4 + column]! += 1
    expect(unchanged(task)).toEqual([0o644, null, 0o755])
  }
  const unknown = taskFor(root, paths)
  unknown.stats[0] = Number.NaN
  expect(unchanged(unknown)).toEqual([null, 0o644, 0o755])
})

test('a file is not unchanged that is gone, or has become something else', async () => {
  const paths = ['a', 'b', 'c', 'd', 'e']
  const root = await makeDirectory(Object.fromEntries(paths.map((path) => [path, 'x'])))
  const task = taskFor(root, paths)
  await rm(join(root, 'a'))
  await rename(join(root, 'b'), join(root, 'other'))
  await symlink('other', join(root, 'b'))
  await writeFile(join(root, 'c'), 'longer')
  await rm(join(root, 'd'))
  await makeTree(root, { 'd/below': 'x' })
  expect(unchanged(task)).toEqual([null, null, null, null, 0o644])
})

test('what is reached through a symlink counts only where links are followed', async () => {
  const root = await makeDirectory({ 'real/sub/f': 'x', own: 'y' })
  await symlink('real', join(root, 'link'))
  const paths = ['link/sub/f', 'own', 'real/sub/f']
  expect(unchanged(taskFor(root, paths))).toEqual([null, 0o644, 0o644])
  const following = { ...taskFor(root, paths), throughLinks: true }
  expect(unchanged(following)).toEqual([0o644, 0o644, 0o644])
  const { directories, directoryModes } = findUnchanged(taskFor(root, paths))
  const modeOf = (path: string): number => lstatSync(join(root, path)).mode & 0o777
  expect(directories.split('\n')).toEqual(['real', 'real/sub'])
  expect([...directoryModes]).toEqual([modeOf('real'), modeOf('real/sub')])
})

test('each of many files is checked, and none that another thread has taken', async () => {
  const paths = Array.from({ length: 600 }, (_, index) => `f${String(index).padStart(3, '0')}`)
  const root = await makeDirectory(Object.fromEntries(paths.map((path) => [path, 'x'])))
  expect(unchanged(taskFor(root, paths))).toEqual(paths.map(() => 0o644))
  const task = taskFor(root, paths)
  task.cursor[0] = 590
  expect(unchanged(task)).toEqual(paths.map((_, index) => (index < 590 ? null : 0o644)))
  task.cursor[0] = 600
  expect(findUnchanged(task).directories).toBe('')
})
