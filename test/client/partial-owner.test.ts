/** One download at a time works in a directory, and none is in the way once it is gone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ownPartial } from '../../src/client/download/partial-owner.ts'
import { partialName } from '../../src/client/partial-name.ts'
import { makeDirectory } from './tree.ts'

test('whoever comes second is refused until the first is done, and nothing is left', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  const told = `${root} is being downloaded to by process ${process.pid} already`
  await expect(ownPartial(root, 20)).rejects.toThrow(told)
  await expect(ownPartial(root, 20)).rejects.toThrow(told)
  owned.end()
  expect(await readdir(root)).toEqual([])
  ;(await ownPartial(root)).end()
  expect(await readdir(root)).toEqual([])
})

test('of those that begin at once one begins, and who waits for it is next', async () => {
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

test('what a download leaves for the next one stays', async () => {
  const root = await makeDirectory()
  const owned = await ownPartial(root)
  await writeFile(join(root, partialName, 'left'), 'x')
  owned.end()
  expect(await readdir(join(root, partialName))).toEqual(['left'])
})

test('processes that are gone, that have got the number of one, or of another host are no owners', async () => {
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

test('a process that was killed and that nobody has waited for is no owner', async () => {
  const root = await makeDirectory()
  await mkdir(join(root, partialName))
  // The shell becomes another program, which never asks for its child.
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

test('a link or a file in the place of the partial root is removed, not followed', async () => {
  const [root, outside] = [await makeDirectory(), await makeDirectory()]
  await symlink(outside, join(root, partialName))
  ;(await ownPartial(root)).end()
  await writeFile(join(root, partialName), 'x')
  ;(await ownPartial(root)).end()
  expect([await readdir(root), await readdir(outside)]).toEqual([[], []])
})
