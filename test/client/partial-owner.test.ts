/** One download at a time works in a directory, and dead ones do not block it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ownPartial, partialName } from '../../src/client/download/partial-owner.ts'
import { makeDirectory } from './tree.ts'

test('a second owner is rejected until the first is done, and nothing is left behind', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  const told = `${root} is in use by another download (process ${process.pid})`
  await expect(ownPartial(root, 20)).rejects.toThrow(told)
  await expect(ownPartial(root, 20)).rejects.toThrow(told)
  owned.end()
  expect(await readdir(root)).toEqual([])
  ;(await ownPartial(root)).end()
  expect(await readdir(root)).toEqual([])
})

test('of several that start at once one wins, and one that waits is next', async () => {
  const root = await makeDirectory()
  const begun = await Promise.allSettled(Array.from({ length: 4 }, () => ownPartial(root, 500)))
  const owners = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  expect(owners).toHaveLength(1)
  const waiting = ownPartial(root)
  await setTimeout(100)
  owners[0]!.end()
  ;(await waiting).end()
  expect(await readdir(root)).toEqual([])
})

test('files left for the next download are kept', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  await writeFile(join(root, partialName, 'left'), 'x')
  owned.end()
  expect(await readdir(join(root, partialName))).toEqual(['left'])
})

test('dead processes, reused process numbers and other hosts do not count as owners', async () => {
  const root = await makeDirectory()
  const gone = spawn('true')
  await once(gone, 'close')
  await mkdir(join(root, partialName))
  const host = hostname()
  const names = [
    `owner_1_${gone.pid}_1_${host}`,
    `owner_1_${process.pid}_1_${host}`,
    `owner_1_1_1_another-${host}`,
    'owner_of nothing',
  ]
  for (const name of names) await writeFile(join(root, partialName, name), '')
  const owned = await ownPartial(root)
  expect(await readdir(join(root, partialName))).toHaveLength(1)
  owned.end()
  expect(await readdir(root)).toEqual([])
})

test('a zombie does not count as an owner', async () => {
  const root = await makeDirectory()
  await mkdir(join(root, partialName))
  // The shell is replaced by another program, which never waits for its child.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 61'])
  onTestFinished(() => {
    parent.kill('SIGKILL')
  })
  const [told] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = told.toString().trim()
  const statOf = (): string[] =>
    readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')
  await expect.poll(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8')).toBe('sleep\n')
  process.kill(Number(pid), 'SIGKILL')
  await expect.poll(() => statOf()[0]).toBe('Z')
  await writeFile(join(root, partialName, `owner_${statOf()[19]}_${pid}_1_${hostname()}`), '')
  ;(await ownPartial(root)).end()
  expect(await readdir(root)).toEqual([])
})

test('a symlink or file in place of the partial root is removed, not followed', async () => {
  const [root, outside] = [await makeDirectory(), await makeDirectory()]
  await symlink(outside, join(root, partialName))
  ;(await ownPartial(root)).end()
  await writeFile(join(root, partialName), 'x')
  ;(await ownPartial(root)).end()
  expect([await readdir(root), await readdir(outside)]).toEqual([[], []])
})

describe('where start times of processes are unknown', () => {
  const own = async (root: string) => await ownPartial(root, 20, () => 0)
  const minuteMs = 60_000

  test('a killed download blocks for some minutes while its process number is in use', async () => {
    const root = await makeDirectory()
    const path = join(root, partialName, `owner_0_${process.ppid}_1_${hostname()}`)
    await mkdir(join(root, partialName))
    await writeFile(path, '')
    const told = `is in use by another download (process ${process.ppid})`
    await expect(own(root)).rejects.toThrow(told)
    const longAgo = new Date(Date.now() - 11 * minuteMs)
    await utimes(path, longAgo, longAgo)
    ;(await own(root)).end()
    expect(await readdir(root)).toEqual([])
  })

  test('a long download stays the owner, and stops its timer when it is done', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const root = await makeDirectory()
    const owned = await own(root)
    for (let minutes = 0; minutes < 30; minutes++) vi.advanceTimersByTime(minuteMs)
    const [name = ''] = await readdir(join(root, partialName))
    const { mtimeMs } = await stat(join(root, partialName, name))
    expect(Date.now() - mtimeMs).toBeLessThan(minuteMs)
    await expect(own(root)).rejects.toThrow('is in use')
    owned.end()
    expect(vi.getTimerCount()).toBe(0)
    expect(await readdir(root)).toEqual([])
  })
})
