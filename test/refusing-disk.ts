/** Simulates a disk that accepts no writes, such as one remounted read-only after a failure, by
 *  a limit on file sizes for this process. */
import { execFileSync } from 'node:child_process'

export async function whileDiskRefuses<Result>(work: () => Promise<Result>): Promise<Result> {
  limitFileBytes('0')
  try {
    return await work()
  } finally {
    limitFileBytes('unlimited')
  }
}

/** Sets the soft limit, which can be raised again (prlimit(1)). */
function limitFileBytes(bytes: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
}
