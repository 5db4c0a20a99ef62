/** Who is at work below DEST's partial root. Two downloads there would take each other's files for their own, so the second one
 *  is refused. Each leaves a file whose name says which process it is, then looks for others: of two that begin in the same
 *  moment at least one sees the other. */
import {
  lstatSync,
  readdirSync,
  readFileSync,
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
import { lookAt } from '../files/real-directories.ts'
import { makeDirectories } from '../../make-directories.ts'
import { partialName } from '../partial-name.ts'

/** A process that works on a download, as the name of its file tells it. */
interface Owner {
  /** Ticks from the start of its host to its own; 0 where that cannot be known. */
  begun: number
  pid: number
  /** Several downloads of one process are told apart. */
  serial: number
}

const prefix = 'owner_'
const pattern = /^owner_(?<begun>\d+)_(?<pid>\d+)_(?<serial>\d+)_(?<host>.*)$/

/** Whether a name in the partial root tells of a process. */
export function isOwnerName(name: string): boolean {
  return name.startsWith(prefix)
}

let serial = 0

/** One that was just killed takes a moment to end. */
const waitMsDefault = 2000
const pauseMs = 50

/** Where the beginnings of processes cannot be known, another one may have got the number of one that was killed: there an owner
 *  says again and again that it is at work. Its event loop may be busy for a while. */
const beatMs = 30_000
const silenceMsMax = 20 * beatMs

export interface Ownership {
  /** What was made in the partial root is gone when somebody else removed that: the file there is as well.
   *  Errors: FileError. */
  check(): void
  /** Takes the partial root away too when nothing is left in it. */
  end(): void
}

/** Nothing is owned where nothing may be written. Errors: FileError, when another process of this host stays at work there. */
export async function ownPartial(
  root: string,
  waitMs = waitMsDefault,
  beginningOf: BeginningOf = beginningInProc,
): Promise<Ownership> {
  const partialRoot = join(root, partialName)
  serial += 1
  const self = { begun: beginningOf(process.pid) ?? 0, pid: process.pid, serial }
  const name = `${prefix}${self.begun}_${self.pid}_${self.serial}_${hostname()}`
  let beat: NodeJS.Timeout | undefined
  const ownership = {
    check: () => {
      if (lookAt(join(partialRoot, name)) === undefined)
        throw new FileError(partialRoot, 'was removed while a download was at work in it')
    },
    end: () => {
      clearInterval(beat)
      rmSync(join(partialRoot, name), { force: true })
      removeEmpty(partialRoot)
    },
  }
  for (const end = performance.now() + waitMs; ;) {
    if (!leaveName(partialRoot, name)) return { check: () => {}, end: () => {} }
    const other = findOther(partialRoot, name, beginningOf)
    if (other === undefined) {
      if (self.begun === 0) beat = setInterval(sayAtWork, beatMs, join(partialRoot, name)).unref()
      return ownership
    }
    if (performance.now() >= end) {
      ownership.end()
      throw new FileError(root, `is being downloaded to by process ${other.pid} already`)
    }
    // Of two that have just begun the later one steps back.
    if (comesBefore(other, self)) ownership.end()
    await sleep(pauseMs)
  }
}

function comesBefore(a: Owner, b: Owner): boolean {
  return (a.begun - b.begun || a.pid - b.pid || a.serial - b.serial) < 0
}

/** Times that the partial root may be taken away by downloads that end, just after it was made. */
const triesMax = 5

/** Makes the partial root, a directory that is no link, and a file in it. False where that is not allowed.
 *  Errors: FileError. */
function leaveName(partialRoot: string, name: string): boolean {
  const path = join(partialRoot, name)
  for (let tries = 1; ; tries++) {
    try {
      const held = lstatSync(partialRoot, { throwIfNoEntry: false })
      if (held !== undefined && !held.isDirectory()) unlinkSync(partialRoot)
      makeDirectories(partialRoot)
      writeFileSync(path, '')
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return false
      if (code !== 'ENOENT' || tries === triesMax) throw asWriteError(path, error)
    }
  }
}

function sayAtWork(path: string): void {
  const now = new Date()
  try {
    utimesSync(path, now, now)
  } catch {
    // When it was removed, `check` tells so.
  }
}

/** Another living process; names of those that are gone are removed. */
function findOther(partialRoot: string, name: string, beginningOf: BeginningOf): Owner | undefined {
  let found: Owner | undefined
  for (const other of readdirSync(partialRoot)) {
    if (!isOwnerName(other) || other === name) continue
    const owner = livingOwner(partialRoot, other, beginningOf)
    if (owner === undefined) rmSync(join(partialRoot, other), { force: true })
    else if (found === undefined || comesBefore(owner, found)) found = owner
  }
  return found
}

/** Undefined when it is gone. Of another host, as that of a container is, that cannot be known: it counts as gone, or what it
 *  left behind would be in the way for ever. */
function livingOwner(
  partialRoot: string,
  name: string,
  beginningOf: BeginningOf,
): Owner | undefined {
  const told = pattern.exec(name)?.groups
  if (told === undefined || told['host'] !== hostname()) return undefined
  const owner = {
    begun: Number(told['begun']),
    pid: Number(told['pid']),
    serial: Number(told['serial']),
  }
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  if (owner.begun !== beginningOf(owner.pid)) return undefined
  return owner.begun !== 0 || isAtWork(join(partialRoot, name)) ? owner : undefined
}

/** Whether an owner has said so not long ago. */
function isAtWork(path: string): boolean {
  const saidAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return saidAt !== undefined && Date.now() - saidAt < silenceMsMax
}

/** When a process began, in ticks since the host did, as another one may get its number later; 0 where that cannot be known.
 *  Undefined of one that ended and that nobody has waited for, as is usual in containers. */
type BeginningOf = (pid: number) => number | undefined

/** As Linux tells it. proc_pid_stat(5): the 3rd and 22nd field; the second may hold anything, and ends with the last bracket. */
function beginningInProc(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19])
  } catch {
    return 0
  }
}

function removeEmpty(partialRoot: string): void {
  try {
    rmdirSync(partialRoot)
  } catch {
    // What is left in it serves the next download.
  }
}
