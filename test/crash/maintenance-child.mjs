/** Runs a scrub, a backup, a rebuild from packs or a collection like `gc --now`, and kills its own
 *  process with SIGKILL at the nth named step (-1: never). Arguments: task, data directory, n,
 *  destination of the backup or time of the collection. Prints each step. Runs compiled code, like
 *  a server. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '../../dist/src/core/limits.js'
import { backUp } from '../../dist/src/lifecycle/backup/backup.js'
import { collect } from '../../dist/src/lifecycle/collect/collect.js'
import { rebuildFromPacks } from '../../dist/src/lifecycle/recovery/rebuild.js'
import { scrub } from '../../dist/src/lifecycle/scrub/scrub.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { openLocalPackStore } from '../../dist/src/packs/local/local.js'

const [task, directory, nth, more] = process.argv.slice(2)
let left = Number(nth)

/** @param {string} step */
function checkpoint(step) {
  writeSync(1, `${step}\n`)
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  left -= 1
}

const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
const packs = await openLocalPackStore({ directory: join(directory, 'cas'), checkpoint })
const now = task === 'collect' ? () => Number(more) : Date.now
const ports = { metadata, packs, now, checkpoint }
const settings = {
  artifactBytesMax: 2 ** 36,
  entriesMax: 1e6,
  compressionLevel: 6,
  stockZips: /** @type {const} */ ('exact'),
}
if (task === 'scrub') {
  await scrub(ports, { olderThanMs: null, bytesPerSecond: null, rollups: true })
} else if (task === 'backup') {
  await backUp(ports, { destination: more, copies: true, files: [] })
} else if (task === 'rebuild') {
  await rebuildFromPacks({ ...ports, settings }, { expiresAt: now() + 86_400_000 })
} else {
  await collect(ports, {
    reach: 'now',
    compactBytesPerSecond: null,
    hasRoom: async () => true,
    believedNow: now,
    historyMs: limits.historyMs,
  })
}
await packs.close()
await metadata.close()
