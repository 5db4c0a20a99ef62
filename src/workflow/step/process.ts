/** Processes of steps: each starts in its own process group, is read line by line, and is stopped
 *  as a group with a bounded grace period. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { untilAborted } from '../../client/files/until-aborted.ts'
import { errorCodeOf } from '../../core/errors.ts'
import { bounds } from '../bounds.ts'
import { onAbort } from '../on-abort.ts'
import type { TakePiece } from './mask.ts'

export interface ProcessOptions {
  command: string
  args: string[]
  directory: string
  environment: Record<string, string>
  /** Aborting asks the whole group to end: SIGINT, then SIGTERM, then SIGKILL. */
  stop: AbortSignal
  /** Aborting kills the group immediately. */
  kill: AbortSignal
  grace: Grace
  /** Cuts a piece from a long line without splitting a secret. */
  takePiece: TakePiece
  onLine: (line: string) => void
  /** Called after each chunk of output. Returns a promise to pause reading until it resolves,
   *  undefined to go on. */
  room: Room
}

export type Room = () => Promise<void> | undefined

export interface Grace {
  interruptMs: number
  terminateMs: number
}

/** `exitCode` is null when a signal ended the process. */
export interface ProcessResult {
  exitCode: number | null
  signal: NodeJS.Signals | null
}

/** How much has been read. */
interface Reading {
  bytes: number
  /** Set while reading is paused. */
  room: Promise<void> | undefined
}

/** Runs a process until it exits. Rejects when it cannot be started. Reads all its output, however
 *  long that takes. A background process that keeps the output open is waited for at most
 *  `bounds.drainMs`; it keeps running, and its later output is read and discarded. */
export async function runProcess(options: ProcessOptions): Promise<ProcessResult> {
  const child = spawn(options.command, options.args, {
    cwd: options.directory,
    env: options.environment,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = new Promise<ProcessResult>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal }))
  })
  const { pid } = child
  // It was not started, and has no pipes if there was no free file descriptor.
  if (pid === undefined) return await exited
  let listening = true
  const reading: Reading = { bytes: 0, room: undefined }
  const flushes = [child.stdout, child.stderr].map((stream) => {
    pauseWithoutRoom(stream, reading, () => (listening ? options.room() : undefined))
    return readLines(stream, options.takePiece, (line) => {
      if (listening) options.onLine(line)
    })
  })
  const disarm = stopOnAbort(pid, options)
  killAtExit(child, pid)
  try {
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const result = await exited
    // A cancelled group ends as a whole: a child may have ignored the signal that ended its parent.
    if (options.stop.aborted) signalGroup(pid, 'SIGKILL')
    if (!(await within(closed, bounds.drainMs))) await drain(reading, options.kill)
    for (const flush of flushes) flush()
    return result
  } finally {
    listening = false
    disarm()
    // A background process may keep the pipes open forever; they must not keep this program
    // running.
    child.unref()
    for (const stream of [child.stdout, child.stderr]) (stream as Socket).unref()
  }
}

const groups = new Set<number>()

/** A separate process group outlives this program, so kill what still runs when the program
 *  exits. */
function killAtExit(child: ChildProcess, pid: number): void {
  if (groups.size === 0) process.on('exit', killGroups)
  groups.add(pid)
  child.once('exit', () => {
    groups.delete(pid)
    if (groups.size === 0) process.off('exit', killGroups)
  })
}

function killGroups(): void {
  for (const pid of groups) signalGroup(pid, 'SIGKILL')
}

/** Returns whether the promise resolves within this time. */
async function within(promise: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs)
  })
  const isInTime = await Promise.race([promise.then(() => true), limit])
  clearTimeout(timer)
  return isInTime
}

/** Reads until two turns of the event loop bring nothing. By then everything has been read that was
 *  buffered when the process exited. */
async function drain(reading: Reading, kill: AbortSignal): Promise<void> {
  const bytesMax = reading.bytes + bounds.drainBytesMax
  for (let before = -1; before !== reading.bytes && reading.bytes < bytesMax;) {
    before = reading.bytes
    if (kill.aborted) return
    if (reading.room !== undefined) {
      // Rejects when the job is killed, which ends the loop.
      await untilAborted(reading.room, kill).catch(() => undefined)
      before = -1
    }
    await nextTurn()
    await nextTurn()
  }
}

/** Pauses reading while the consumer has no room. */
function pauseWithoutRoom(stream: Readable, reading: Reading, ask: Room): void {
  stream.on('data', (chunk: Buffer) => {
    reading.bytes += chunk.length
    const room = ask()
    if (room === undefined) return
    stream.pause()
    reading.room = room
    void room.then(() => {
      if (reading.room === room) reading.room = undefined
      stream.resume()
    })
  })
}

/** Splits a stream into lines without their line breaks. Returns a function that emits the rest, if
 *  it has no line break. */
function readLines(
  stream: Readable,
  takePiece: TakePiece,
  onLine: (line: string) => void,
): () => void {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const take = (text: string): void => {
    rest += text
    let start = 0
    for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n', start)) {
      onLine(rest.slice(start, rest[at - 1] === '\r' && at > start ? at - 1 : at))
      start = at + 1
    }
    rest = rest.slice(start)
    while (rest.length > bounds.lineCharactersMax) {
      // A secret as long as the buffer leaves no place to cut. Then buffer until it is complete.
      const taken = takePiece(rest, bounds.lineCharactersMax)
      if (taken === undefined) return
      onLine(taken.piece)
      ;({ rest } = taken)
    }
  }
  const flush = (): void => {
    take(decoder.end())
    if (rest !== '') onLine(rest)
    rest = ''
  }
  stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)))
  // A reset pipe ends the output; the exit status says what happened.
  stream.on('error', () => undefined)
  return flush
}

/** Stops the group when `stop` or `kill` is aborted. Returns a function that removes the listeners
 *  and timers. */
function stopOnAbort(pid: number, options: ProcessOptions): () => void {
  const timers: NodeJS.Timeout[] = []
  const onStop = (): void => {
    signalGroup(pid, 'SIGINT')
    const { interruptMs, terminateMs } = options.grace
    timers.push(setTimeout(() => signalGroup(pid, 'SIGTERM'), interruptMs))
    timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), interruptMs + terminateMs))
  }
  const onKill = (): void => signalGroup(pid, 'SIGKILL')
  const over = new AbortController()
  onAbort(options.stop, onStop, over.signal)
  onAbort(options.kill, onKill, over.signal)
  return () => {
    for (const timer of timers) clearTimeout(timer)
    over.abort()
  }
}

/** The child leads its group, so the group's id is the child's pid. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  sendSignal(-pid, signal)
}

/** Ignores ESRCH: the target may end between the decision and the call. Ignores EPERM: a program
 *  such as sudo runs as another user, so its end is waited for. */
function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes(errorCodeOf(error))) throw error
  }
}

/** Kills the processes that a job left running in the background: those whose environment
 *  contains `marker`, a unique value. Only Linux exposes environments (`/proc`); elsewhere
 *  nothing is found. Synchronous, since the program may be about to exit. */
export function killMarked(marker: string): void {
  for (const entry of readNow(() => readdirSync('/proc'), [])) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue
    // Unreadable entries belong to another user or to a process that has just ended, so not to us.
    const environment = readNow(() => readFileSync(`/proc/${entry}/environ`, 'latin1'), '')
    if (environment.includes(marker)) sendSignal(Number(entry), 'SIGKILL')
  }
}

function readNow<T>(read: () => T, otherwise: T): T {
  try {
    return read()
  } catch {
    return otherwise
  }
}
