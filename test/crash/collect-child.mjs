/** Collects garbage like `gc --now` and kills its own process with SIGKILL at the nth named step
 *  (-1: never). Arguments: data directory, n, current time. Prints each step. Runs compiled code,
 *  like a server. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { limits } from '../../dist/src/core/limits.js'
import { collect } from '../../dist/src/lifecycle/collect/collect.js'
import { openSqliteMetadata } from '../../dist/src/metadata/sqlite/sqlite.js'
import { openLocalPackStore } from '../../dist/src/packs/local/local.js'

const [directory, nth, instant] = process.argv.slice(2)
let left = Number(nth)

/** @param {string} step */
function checkpoint(step) {
  writeSync(1, `${step}\n`)
  if (left === 0) process.kill(process.pid, 'SIGKILL')
  left -= 1
}

const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
const packs = await openLocalPackStore({ directory: join(directory, 'cas'), checkpoint })
const now = () => Number(instant)
await collect(
  { metadata, packs, now, checkpoint },
  {
    reach: 'now',
    compactBytesPerSecond: null,
    hasRoom: async () => true,
    believedNow: now,
    historyMs: limits.historyMs,
  },
)
await packs.close()
await metadata.close()
