/** Runs maintenance on copies of a store, in a process that dies at one of its steps. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const child = fileURLToPath(new URL('maintenance-child.mjs', import.meta.url))

export type MaintenanceTask = 'scrub' | 'backup' | 'rebuild' | 'collect'

/** Dies at the `nth` step (-1: never). Returns the steps it passed. `more` is the destination of a
 *  backup, or the time of a collection. */
export async function runAndDie(
  task: MaintenanceTask,
  directory: string,
  nth: number,
  more: string,
): Promise<string[]> {
  return await new Promise((resolve, reject) => {
    const argv = [child, task, directory, String(nth), more]
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve(stdout.split('\n').filter((line) => line !== ''))
    })
  })
}

/** The copy is alone in a directory that is removed with it. */
export async function withCopy<T>(
  directory: string,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const parent = await mkdtemp(join(tmpdir(), 'trove-copy-'))
  const copy = join(parent, 'data')
  try {
    await cp(directory, copy, { recursive: true, preserveTimestamps: true })
    return await work(copy)
  } finally {
    await rm(parent, { recursive: true, force: true })
  }
}
