/** One download at a time works in a directory, and none is in the way once it is gone. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ownPartial } from '../../src/client/download/partial-owner.ts'
import { partialName } from '../../src/client/partial-name.ts'
import { makeDirectory } from './tree.ts'

test('whoever comes second is refused until the first is done, and nothing is left', async () => {
  const root = await makeDirectory()
  const release = ownPartial(root)
  const told = `${root} is being downloaded to by process ${process.pid} already`
  expect(() => ownPartial(root)).toThrow(told)
  expect(() => ownPartial(root)).toThrow(told)
  release()
  expect(await readdir(root)).toEqual([])
  ownPartial(root)()
  expect(await readdir(root)).toEqual([])
})

test('what a download leaves for the next one stays', async () => {
  const root = await makeDirectory()
  const release = ownPartial(root)
  await writeFile(join(root, partialName, 'left'), 'x')
  release()
  expect(await readdir(join(root, partialName))).toEqual(['left'])
})

test('processes that are gone, that have got the number of one, or of another host are no owners', async () => {
  const root = await makeDirectory()
  const gone = spawn('true')
  await once(gone, 'close')
  await mkdir(join(root, partialName))
  const host = hostname()
  const names = [
    `owner_${gone.pid}_1_1_${host}`,
    `owner_${process.pid}_1_1_${host}`,
    `owner_1_1_1_another-${host}`,
    'owner_of nothing',
  ]
  for (const name of names) await writeFile(join(root, partialName, name), '')
  const release = ownPartial(root)
  expect(await readdir(join(root, partialName))).toHaveLength(1)
  release()
  expect(await readdir(root)).toEqual([])
})

test('a link or a file in the place of the partial root is removed, not followed', async () => {
  const [root, outside] = [await makeDirectory(), await makeDirectory()]
  await symlink(outside, join(root, partialName))
  ownPartial(root)()
  await writeFile(join(root, partialName), 'x')
  ownPartial(root)()
  expect([await readdir(root), await readdir(outside)]).toEqual([[], []])
})
