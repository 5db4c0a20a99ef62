/** Runs a scrub, a backup or a rebuild from packs and kills its own process with SIGKILL at the nth
 *  named step (-1: never). Arguments: task, data directory, n, destination of the backup. Prints
 *  each step. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { backUp } from '../../dist/src/lifecycle/backup/backup.js'
import { rebuildFromPacks } from '../../dist/src/lifecycle/recovery/rebuild.js'
import { scrub } from '../../dist/src/lifecycle/scrub/scrub.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { openLocalPackStore } from '../../dist/src/packs/local/local.js'

const [task, directory, nth, destination] = process.argv.slice(2)
let left = Number(nth)

/** @param {string} step */
function checkpoint(step) {
  writeSync(1, `${step}\n`)
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  left -= 1
}

const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
const packs = await openLocalPackStore({ directory: join(directory, 'cas'), checkpoint })
const ports = { metadata, packs, now: Date.now, checkpoint }
const settings = {
  artifactBytesMax: 2 ** 36,
  entriesMax: 1e6,
  compressionLevel: 6,
  stockZips: /** @type {const} */ ('exact'),
}
if (task === 'scrub') {
  await scrub(ports, { olderThanMs: null, bytesPerSecond: null, rollups: true })
} else if (task === 'backup') {
  await backUp(ports, { destination, copies: true, files: [] })
} else {
  await rebuildFromPacks({ ...ports, settings }, { expiresAt: Date.now() + 86_400_000 })
}
await packs.close()
await metadata.close()
