/** The competitors of the native benchmark: `trove` as a client process, and restic. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { builtUrl } from '../src/program-files.ts'
import { type ProgramRun, runProgram } from './measure.ts'
import type { BenchStore } from './scratch.ts'

export const program = fileURLToPath(builtUrl('cli/main.ts'))
/** The flags in the program's first line, which apply when a shell starts it. */
const heap = ['--max-old-space-size=512', '--max-semi-space-size=2']
export const rounds = 3

export interface UploadReport {
  artifactId: number
  sentBytes: number
}

export interface TroveClient {
  run(args: string[]): Promise<ProgramRun>
  upload(
    name: string,
    run: number,
    directory: string,
    flags?: string[],
  ): Promise<ProgramRun & { report: UploadReport }>
}

export async function clientOf(store: BenchStore, cache: string): Promise<TroveClient> {
  const token = await store.trove.token(['--project', 'octo/demo', '--scope', 'write'])
  const env = {
    TROVE_URL: store.trove.url,
    TROVE_TOKEN: token,
    TROVE_PROJECT: 'octo/demo',
    TROVE_CACHE_DIR: cache,
    CI: '1',
  }
  const run = async (args: string[]): Promise<ProgramRun> =>
    await runProgram(process.execPath, [...heap, program, ...args], { env })
  return {
    run,
    upload: async (name, runNumber, directory, flags = []) => {
      const words = [
        'upload',
        name,
        directory,
        '--include-hidden',
        '--json',
        '--run',
        String(runNumber),
        ...flags,
      ]
      const ran = await run(words)
      return { ...ran, report: JSON.parse(ran.stdout) as UploadReport }
    },
  }
}

export async function restic(directory: string, words: string[]): Promise<ProgramRun> {
  const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(directory, 'cache') }
  return await runProgram(
    'restic',
    ['--repo', join(directory, 'repository'), '--quiet', ...words],
    { env },
  )
}
