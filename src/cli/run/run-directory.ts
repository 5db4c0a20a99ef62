/** The directory that a run works in, below the system's temporary directory. Each run has its own,
 *  even when a run with the same id is in progress, and private: scripts can contain secrets. A
 *  killed process leaves its directory behind, so the next run removes it: a file in the directory
 *  identifies the process that removes it otherwise. */
import { lstatSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isRunning, startTimeOf } from '../../client/files/process-identity.ts'
import { removeTree } from '../../workflow/remove-tree.ts'

const prefix = 'trove-run-'
const ownerFile = '_owner'
const pattern = /^(?<startTicks>\d+) (?<pid>\d+) (?<host>.*)\n$/

/** Creates the directory. With `keep`, no later run removes it. */
export async function makeRunDirectory(
  temporary: string,
  { runId, keep }: { runId: number; keep: boolean },
): Promise<string> {
  const directory = await mkdtemp(join(temporary, `${prefix}${runId}-`))
  const owner = `${startTimeOf(process.pid) ?? 0} ${process.pid} ${hostname()}\n`
  if (!keep) writeFileSync(join(directory, ownerFile), owner)
  return directory
}

/** Removes the directories of killed runs of this user and this host, as far as possible. */
export async function removeAbandoned(temporary: string): Promise<void> {
  // Who may create a directory there may not always list it.
  for (const name of await readdir(temporary).catch(() => [])) {
    const directory = join(temporary, name)
    // A process that a killed run has left behind may still be writing.
    if (name.startsWith(prefix) && isAbandoned(directory))
      await removeTree(directory).catch(() => {})
  }
}

/** Only directories that nobody else can change: removing a directory in which somebody swaps
 *  directories for symlinks would remove what these point to. */
function isAbandoned(directory: string): boolean {
  try {
    const { uid, mode } = lstatSync(directory)
    const isPrivate =
      process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0)
    if (!isPrivate) return false
    const owner = pattern.exec(readFileSync(join(directory, ownerFile), 'utf8'))?.groups
    if (owner === undefined || owner['host'] !== hostname()) return false
    return !isRunning({ pid: Number(owner['pid']), startTicks: Number(owner['startTicks']) })
  } catch {
    // A kept directory has no such file, and another run may have just removed this one.
    return false
  }
}
