/** One download at a time works in a directory, and dead ones do not block it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { recallDestination } from '../../src/client/download/destination.ts'
import { ownPartial, partialName, workName } from '../../src/client/download/partial-owner.ts'
import { tidyPartial } from '../../src/client/download/partial-tree.ts'
import { createTreeColumns } from '../../src/client/download/tree-columns.ts'
import { startTimeOf } from '../../src/client/files/process-identity.ts'
import { describeTree, makeDirectory, makeTree } from './tree.ts'

test('a second owner is rejected until the first is done, and nothing is left behind', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  const told = `${root} is in use by another download (process ${process.pid})`
  await expect(ownPartial(root, 20)).rejects.toThrow(told)
  // However long it takes.
  const [name = ''] = await readdir(join(root, partialName))
  await utimes(join(root, partialName, name), 0, 0)
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

/** Start time, process and serial number of an owner. */
type Owner = [number, number, number]
const { pid, ppid } = process
const later = 2 ** 31

test.for<{ of: string; own: number; others: Owner[]; isFirst: boolean }>([
  { of: 'an earlier process', own: 5, others: [[3, ppid, later]], isFirst: false },
  { of: 'a later process', own: 5, others: [[7, ppid, 0]], isFirst: true },
  { of: 'a process of the same tick', own: 5, others: [[5, ppid, later]], isFirst: pid < ppid },
  { of: 'its process, before', own: 5, others: [[5, pid, 0]], isFirst: false },
  { of: 'its process, after', own: 5, others: [[5, pid, later]], isFirst: true },
  {
    of: 'both',
    own: 5,
    others: [
      [5, pid, 0],
      [7, ppid, 0],
    ],
    isFirst: false,
  },
  {
    of: 'both, listed differently',
    own: 50,
    others: [
      [50, pid, 0],
      [100, ppid, 0],
    ],
    isFirst: false,
  },
])(
  'starting at the moment of one $of, the first stays and the other steps back',
  async ({ own, others, isFirst }) => {
    const root = await makeDirectory({ [partialName]: null })
    const partialRoot = join(root, partialName)
    const names = others.map((owner) => `owner_${owner.join('_')}_${hostname()}`)
    for (const name of names) await writeFile(join(partialRoot, name), '')
    const started = new Map([[pid, own], ...others.map(([at, process]) => [process, at] as const)])
    const waiting = ownPartial(root, 30_000, (process) => started.get(process))
    expect(await readdir(partialRoot)).toHaveLength(names.length + (isFirst ? 1 : 0))
    for (const name of names) await rm(join(partialRoot, name))
    ;(await waiting).end()
    expect(await readdir(root)).toEqual([])
  },
)

test('an owner is told when the partial root was removed', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  expect(owned.check).not.toThrow()
  await rm(join(root, partialName), { recursive: true })
  expect(owned.check).toThrow(`${join(root, partialName)} was removed during the download`)
  owned.end()
})

test('a directory that cannot be written is reported by path', async () => {
  const root = join(await makeDirectory({ file: 'x' }), 'file')
  await expect(ownPartial(root)).rejects.toMatchObject({
    name: 'FileError',
    path: expect.stringContaining(join(root, partialName)),
  })
})

test('files left for the next download are kept, in its own directory', async () => {
  const left = { 'earlier/tree/left': 'x', 'earlier/files': null, stray: 's' }
  const root = await makeDirectory()
  const partialRoot = join(root, partialName)
  await makeTree(partialRoot, left)
  const owned = await ownPartial(root)
  owned.end()
  const kept = [workName, `${workName}/files`, `${workName}/tree`, `${workName}/tree/left`]
  expect(Object.keys(await describeTree(partialRoot)).toSorted()).toEqual(kept)
  await makeTree(partialRoot, left)
  ;(await ownPartial(root)).end()
  expect(Object.keys(await describeTree(partialRoot)).toSorted()).toEqual(kept)
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
    `owner_${startTimeOf(process.ppid)}_${process.ppid}_1_another-${host}`,
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
  const [root, outside] = [await makeDirectory(), await makeDirectory({ file: 'f' })]
  const tree = createTreeColumns()
  const destination = { ...recallDestination(root, tree, [])!, workRoot: join(root, partialName) }
  const own = async (): Promise<void> => (await ownPartial(root)).end()
  // A download looks again when it resumes after a network failure.
  const tidy = async (): Promise<void> => void tidyPartial(destination, tree, [])
  for (const remove of [own, tidy]) {
    await symlink(outside, join(root, partialName))
    await remove()
    await writeFile(join(root, partialName), 'x')
    await remove()
    expect([await readdir(root), await readdir(outside)]).toEqual([[], ['file']])
  }
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
