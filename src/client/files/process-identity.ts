/** Identifies processes across reuse of their numbers, for files that outlive a killed process. */
import { readFileSync } from 'node:fs'
import { hasErrno } from '../../core/errors.ts'

export interface ProcessIdentity {
  /** Start time of the process in ticks since boot; 0 when it cannot be known. */
  startTicks: number
  pid: number
}

/** Returns the start time of a process in ticks since boot, since its number can be reused
 *  later; 0 when it cannot be known. Undefined for a zombie, which is common in containers. */
export type StartTimeOf = (pid: number) => number | undefined

/** Reads it from Linux's proc. proc_pid_stat(5): the 3rd and 22nd fields; the second may contain
 *  anything and ends with the last parenthesis. */
export function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19])
  } catch {
    return 0
  }
}

/** Whether the process still runs on this host. Where start times are unknown, a process that has
 *  taken over the number counts as the same. */
export function isRunning(
  { pid, startTicks }: ProcessIdentity,
  startOf: StartTimeOf = startTimeOf,
): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (hasErrno(error, 'ESRCH')) return false
  }
  return startTicks === startOf(pid)
}
