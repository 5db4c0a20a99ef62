/** A disk that takes nothing, as one that failed and became read-only: for all files of this process, by a limit on their size. */
import { execFileSync } from 'node:child_process'

export async function whileDiskRefuses<Result>(work: () => Promise<Result>): Promise<Result> {
  limitFileBytes('0')
  try {
    return await work()
  } finally {
    limitFileBytes('unlimited')
  }
}

/** The soft limit, which may be raised again (prlimit(1)). */
function limitFileBytes(bytes: string): void {
  execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`])
}
