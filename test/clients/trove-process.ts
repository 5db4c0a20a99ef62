/** The built `trove` as a separate process, which can be measured, killed and restarted. */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { builtUrl } from '../../src/program-files.ts'

const run = promisify(execFile)
/** Started as a program, because its first line passes flags to Node. */
const program = fileURLToPath(builtUrl('cli/main.ts'))

export interface TroveProcess {
  url: string
  pid: number
  /** Runs `trove token --data …` with these flags; by default a job token of run 1 of
   *  `octo/demo`. */
  token(flags?: string[]): Promise<string>
  /** Stops the server with SIGTERM and waits. Returns the exit status. */
  stop(): Promise<number | null>
  /** Waits until the server ends by itself. Returns the exit status. */
  ended(): Promise<number | null>
  /** Kills the server with SIGKILL and waits. */
  kill(): Promise<void>
  /** Its stderr so far. */
  log(): string
}

/** Starts `trove serve` on a free port of the loopback interface. */
export async function startTrove(
  dataDir: string,
  environment: Record<string, string> = {},
): Promise<TroveProcess> {
  const child = spawn(program, ['serve', '--data', dataDir, '--port', '0'], {
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      // As in `npm start`, in the image and in the systemd unit.
      MALLOC_ARENA_MAX: '1',
      ...environment,
    },
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
    ended: async () => {
      if (child.exitCode === null) await once(child, 'exit')
      return child.exitCode
    },
    kill: () => end(child, 'SIGKILL'),
    log: () => log,
  }
}

/** Runs one command of the built program. Throws when its exit status is not 0. */
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

/** Waits for the ready line, the only output of `trove serve` on stdout. */
async function readUrl(child: ChildProcess, log: () => string): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const [, url] = /^listening on (\S+)$/.exec(line) ?? []
    if (url !== undefined) return url
  }
  throw new Error(`trove serve exited before it listened: ${log()}`)
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}
