/** Who is at work below DEST's partial root. Two downloads there would take each other's files for their own, so the second one
 *  is refused. Each leaves a file whose name says which process it is, then looks for others: of two that begin in the same
 *  moment at least one sees the other. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { asWriteError, FileError } from '../files/file-error.ts'
import { partialName } from '../partial-name.ts'

const prefix = 'owner_'
const pattern = /^owner_(?<pid>\d+)_(?<begun>\d+)_\d+_(?<host>.*)$/

/** Whether a name in the partial root tells of a process. */
export function isOwnerName(name: string): boolean {
  return name.startsWith(prefix)
}

/** Several downloads of one process are told apart. */
let serial = 0

/** Answers what ends the ownership; that takes the partial root away too when nothing is left in it. Nothing is owned where
 *  nothing may be written. Errors: FileError, when another process of this host is at work there. */
export function ownPartial(root: string): () => void {
  const partialRoot = join(root, partialName)
  serial += 1
  const name = `${prefix}${process.pid}_${beginningOf(process.pid)}_${serial}_${hostname()}`
  if (!leaveName(partialRoot, name)) return () => {}
  const release = (): void => {
    rmSync(join(partialRoot, name), { force: true })
    removeEmpty(partialRoot)
  }
  for (const other of readdirSync(partialRoot)) {
    if (!isOwnerName(other) || other === name) continue
    const pid = livingOwner(other)
    if (pid === undefined) {
      rmSync(join(partialRoot, other), { force: true })
      continue
    }
    release()
    throw new FileError(root, `is being downloaded to by process ${pid} already`)
  }
  return release
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
      mkdirSync(partialRoot, { recursive: true })
      writeFileSync(path, '')
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') return false
      if (code !== 'ENOENT' || tries === triesMax) throw asWriteError(path, error)
    }
  }
}

/** The process that a name tells of; undefined when it is gone. Of another host, as that of a container is, that cannot be
 *  known: it counts as gone, or what it left behind would be in the way for ever. */
function livingOwner(name: string): number | undefined {
  const { pid, begun, host } = pattern.exec(name)?.groups ?? {}
  if (pid === undefined || host !== hostname()) return undefined
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined
  }
  return begun === beginningOf(Number(pid)) ? Number(pid) : undefined
}

/** When a process began, in ticks since the host did: another one may get its number later. `0` where that cannot be known.
 *  proc_pid_stat(5): the 22nd field; the second may hold anything, and ends with the last bracket. */
function beginningOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
  } catch {
    return '0'
  }
}

function removeEmpty(partialRoot: string): void {
  try {
    rmdirSync(partialRoot)
  } catch {
    // What is left in it serves the next download.
  }
}
