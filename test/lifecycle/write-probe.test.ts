/** Whether the store can be written, found out by writing. */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Log } from '../../src/log.ts'
import { createWriteProbe, type WriteProbe } from '../../src/lifecycle/write-probe.ts'
import { testDirectory } from '../temporary-directory.ts'

function openProbe(): { directory: string; probe: WriteProbe; lines: string[] } {
  const directory = testDirectory()
  const lines: string[] = []
  const add = (message: string): void => {
    lines.push(message)
  }
  const log: Log = { debug: add, info: add, warn: add, error: add, with: () => log }
  return { directory, probe: createWriteProbe({ dataDir: directory, log }), lines }
}

test('a fault of either directory is reported until it is gone, and logged once', async () => {
  const { directory, probe, lines } = openProbe()
  const packs = join(directory, 'cas')
  expect(await probe.check()).toBe(`${packs} does not exist`)
  // A failure that other parts of the store have no name for.
  await writeFile(packs, '')
  expect(await probe.check()).toBe(`${packs} is inaccessible (ENOTDIR)`)
  await rm(packs)
  await mkdir(packs)
  expect(await probe.check()).toBeNull()
  expect(lines).toEqual(['the store cannot be written', 'the store can be written again'])
  expect(await readdir(directory, { recursive: true })).toEqual(['cas'])
})

test('a full disk counts as writable', async () => {
  const { directory, probe, lines } = openProbe()
  await mkdir(join(directory, 'cas'))
  await symlink('/dev/full', join(directory, 'write-probe'))
  expect(await probe.check()).toBeNull()
  expect(lines).toEqual([])
})
