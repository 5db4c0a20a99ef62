/** The built `trove` as a process of its own: what is measured, killed and restarted. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { builtUrl } from '../../src/program-files.ts'

const run = promisify(execFile)
/** Started as a program, because its first line gives flags to Node. */
const program = fileURLToPath(builtUrl('cli/main.ts'))

export interface TroveProcess {
  url: string
  pid: number
  /** Runs `trove token --data …` with further flags; a job token of run 1 of `octo/demo` by default. */
  token(flags?: string[]): Promise<string>
  /** Ends it as an operator does, and waits; answers the exit status. */
  stop(): Promise<number | null>
  /** `kill -9`, and waits. */
  kill(): Promise<void>
  /** What it wrote on stderr so far. */
  log(): string
}

/** Starts `trove serve` on a free port of the loopback interface. */
export async function startTrove(
  dataDir: string,
  environment: Record<string, string> = {},
): Promise<TroveProcess> {
  const child = spawn(program, ['serve', '--data', dataDir, '--port', '0'], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const url = await readUrl(child, () => log)
  return {
    url,
    pid: child.pid!,
    token: (flags) => mintToken(dataDir, flags),
    stop: async () => {
      await end(child, 'SIGTERM')
      return child.exitCode
    },
    kill: () => end(child, 'SIGKILL'),
    log: () => log,
  }
}

/** Runs one command of the built program; throws when it does not end with status 0. */
export async function runTrove(
  args: string[],
  environment: Record<string, string> = {},
): Promise<string> {
  const { stdout } = await run(program, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

async function mintToken(
  dataDir: string,
  flags = ['--project', 'octo/demo', '--run', '1', '--job', 'build'],
): Promise<string> {
  return (await runTrove(['token', '--data', dataDir, ...flags])).trim()
}

/** Waits for the ready line, which is all that `trove serve` writes to stdout. */
async function readUrl(child: ChildProcess, log: () => string): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const [, url] = /^listening on (\S+)$/.exec(line) ?? []
    if (url !== undefined) return url
  }
  throw new Error(`trove serve ended before it listened: ${log()}`)
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
