/** Directories of the server must survive a power loss as what is in them does. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockDataDir } from '../src/metadata/sqlite/data-lock.ts'
import { makeDirectory } from './client/tree.ts'

/** Returns the directories that are synced from now on, until the end of the test. */
function watchSyncs(): string[] {
  const synced: string[] = []
  const { fsyncSync } = fs
  fs.fsyncSync = (file) => {
    synced.push(fs.readlinkSync(`/proc/self/fd/${file}`))
    fsyncSync(file)
  }
  syncBuiltinESMExports()
  onTestFinished(() => {
    fs.fsyncSync = fsyncSync
    syncBuiltinESMExports()
  })
  return synced
}

test('a new data directory and its new parents are durable before anything is in it', async () => {
  const root = fs.realpathSync(await makeDirectory())
  const synced = watchSyncs()
  lockDataDir(join(root, 'srv/trove/data'), 'serve').release()
  expect(synced).toEqual([root, join(root, 'srv'), join(root, 'srv/trove')])
  lockDataDir(join(root, 'srv/trove/data'), 'serve').release()
  expect(synced).toHaveLength(3)
})
