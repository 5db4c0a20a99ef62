/** Ensures that one download at a time works below DEST's partial root. Each creates a file whose
 *  name identifies its process, then looks for others: of two that start at the same moment at
 *  least one sees the other. The second one fails.
 *
 *  A process of another host cannot be seen to run. So each process creates files in a work
 *  directory of its own, which is also what an earlier download has left, renamed. Who goes on
 *  after another has taken over no longer writes there, and fails in the end. */
import { randomBytes } from 'node:crypto'
import {
  lstatSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { asWriteError, FileError } from '../files/file-error.ts'
import {
  isRunning,
  type ProcessIdentity,
  type StartTimeOf,
  startTimeOf as startTimeOfProcess,
} from '../files/process-identity.ts'
import { tryLstat } from '../files/real-directories.ts'
import { rename } from '../files/system.ts'
import { makeDirectories } from '../../make-directories.ts'
import { hasErrno } from '../../core/errors.ts'

/** Directory below DEST where a download creates new files (partial-tree.ts); never part of the
 *  content of DEST. */
export const partialName = '.trove-partial'

/** The work directory, in the partial root, of the downloads of this process. */
export const workName: string = randomBytes(4).toString('hex')

/** A process that is downloading, as the name of its file identifies it. */
interface Owner extends ProcessIdentity {
  /** Tells several downloads of one process apart. */
  serial: number
}

const prefix = 'owner_'
const pattern = /^owner_(?<startTicks>\d+)_(?<pid>\d+)_(?<serial>\d+)_(?<host>.*)$/

/** Whether a name in the partial root identifies a process. */
function isOwnerName(name: string): boolean {
  return name.startsWith(prefix)
}

let serial = 0

/** How long to wait for the other process to go: one that was just killed takes a moment to
 *  exit. */
const waitMsDefault = 2000
const pauseMs = 50

/** Where start times of processes are unknown, another process may have taken over the number of
 *  a killed one. There an owner touches its file at this interval. Its event loop may be busy
 *  for a while. */
const beatMs = 30_000
const silenceMsMax = 20 * beatMs

export interface Ownership {
  /** Throws if the partial root was removed, and with it what was created there: the owner's
   *  file is gone too.
   *  Errors: FileError. */
  check(): void
  /** Releases ownership, and removes the work directory and the partial root if they are empty. */
  end(): void
}

/** Takes ownership. In a DEST without write permission nothing needs an owner. Errors:
 *  FileError, when another process of this host keeps working there. */
export async function ownPartial(
  root: string,
  waitMs = waitMsDefault,
  startTimeOf: StartTimeOf = startTimeOfProcess,
): Promise<Ownership> {
  const partialRoot = join(root, partialName)
  serial += 1
  const self = { startTicks: startTimeOf(process.pid) ?? 0, pid: process.pid, serial }
  const name = `${prefix}${self.startTicks}_${self.pid}_${self.serial}_${hostname()}`
  let beat: NodeJS.Timeout | undefined
  const ownership = {
    check: () => {
      if (tryLstat(join(partialRoot, name)) === undefined)
        throw new FileError(partialRoot, 'was removed during the download')
    },
    end: () => {
      clearInterval(beat)
      rmSync(join(partialRoot, name), { force: true })
      removeEmpty(join(partialRoot, workName))
      removeEmpty(partialRoot)
    },
  }
  for (const end = performance.now() + waitMs; ;) {
    if (!createOwnerFile(partialRoot, name)) return { check: () => {}, end: () => {} }
    const other = findOther(partialRoot, name, startTimeOf)
    if (other === undefined) {
      await takeOver(partialRoot).catch((error: unknown) => {
        ownership.end()
        throw error
      })
      if (self.startTicks === 0)
        beat = setInterval(touchOwnerFile, beatMs, join(partialRoot, name)).unref()
      return ownership
    }
    if (performance.now() >= end) {
      ownership.end()
      throw new FileError(root, `is in use by another download (process ${other.pid})`)
    }
    // Of two that have just started, the later one steps back.
    if (comesBefore(other, self)) ownership.end()
    await sleep(pauseMs)
  }
}

function comesBefore(a: Owner, b: Owner): boolean {
  return (a.startTicks - b.startTicks || a.pid - b.pid || a.serial - b.serial) < 0
}

/** Upper bound on attempts: other downloads that end may remove the partial root just after it
 *  was created. */
const triesMax = 5

/** Creates the partial root, a directory that is no symlink, and a file in it. Returns false
 *  when that is not permitted.
 *  Errors: FileError. */
function createOwnerFile(partialRoot: string, name: string): boolean {
  const path = join(partialRoot, name)
  for (let tries = 1; ; tries++) {
    try {
      const held = lstatSync(partialRoot, { throwIfNoEntry: false })
      if (held !== undefined && !held.isDirectory()) unlinkSync(partialRoot)
      makeDirectories(partialRoot)
      writeFileSync(path, '')
      return true
    } catch (error) {
      if (hasErrno(error, 'EROFS', 'EACCES', 'EPERM')) return false
      if (!hasErrno(error, 'ENOENT') || tries === triesMax) throw asWriteError(path, error)
    }
  }
}

/** Makes what an earlier download has left the work directory of this process; removes the rest.
 *  Errors: FileError. */
async function takeOver(partialRoot: string): Promise<void> {
  try {
    const entries = readdirSync(partialRoot, { withFileTypes: true })
    let isTaken = entries.some(({ name }) => name === workName)
    for (const entry of entries) {
      if (entry.name === workName || isOwnerName(entry.name)) continue
      const path = join(partialRoot, entry.name)
      if (isTaken || !entry.isDirectory()) {
        rmSync(path, { recursive: true, force: true })
      } else {
        await rename(path, join(partialRoot, workName))
        isTaken = true
      }
    }
  } catch (error) {
    throw asWriteError(partialRoot, error)
  }
}

function touchOwnerFile(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // When the file was removed, `check` reports it.
  }
}

/** Returns another live owner; removes the files of dead ones. */
function findOther(partialRoot: string, name: string, startTimeOf: StartTimeOf): Owner | undefined {
  let found: Owner | undefined
  for (const other of readdirSync(partialRoot)) {
    if (!isOwnerName(other) || other === name) continue
    const owner = findLiveOwner(partialRoot, other, startTimeOf)
    if (owner === undefined) rmSync(join(partialRoot, other), { force: true })
    else if (found === undefined || comesBefore(owner, found)) found = owner
  }
  return found
}

/** Returns undefined for a dead owner. An owner on another host, which includes a container,
 *  cannot be checked: it counts as dead, since its leftovers would otherwise block DEST forever. */
function findLiveOwner(
  partialRoot: string,
  name: string,
  startTimeOf: StartTimeOf,
): Owner | undefined {
  const match = pattern.exec(name)?.groups
  if (match === undefined || match['host'] !== hostname()) return undefined
  const owner = {
    startTicks: Number(match['startTicks']),
    pid: Number(match['pid']),
    serial: Number(match['serial']),
  }
  if (!isRunning(owner, startTimeOf)) return undefined
  return owner.startTicks !== 0 || isTouched(join(partialRoot, name)) ? owner : undefined
}

/** Whether an owner has touched its file recently. */
function isTouched(path: string): boolean {
  const touchedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return touchedAt !== undefined && Date.now() - touchedAt < silenceMsMax
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {
    // What is left in it serves the next download.
  }
}
