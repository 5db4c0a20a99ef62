/** Runs `trove` within the test process, in a fifth of the time of a separate process. Tests of
 *  process behaviour (signals, pipes, terminals, the build) use `run-trove.ts`. */
import { Readable, Writable } from 'node:stream'
import { commands } from '../../src/cli/command-list.ts'
import { runArguments } from '../../src/cli/program.ts'
import { type Outcome, runTrove } from './run-trove.ts'

/** Like `runTrove`. Calls are serialized, since environment and working directory belong to the
 *  process. With `CI` set each call is a separate process after all, so that the build of every
 *  command is tested too. */
export async function runTroveInside(
  args: string[],
  environment: Record<string, string> = {},
  cwd?: string,
  stdin = '',
): Promise<Outcome> {
  if (process.env['CI'] !== undefined) return await runTrove(args, environment, cwd, stdin)
  const turn = turns.then(async () => await runHere(args, environment, cwd, stdin))
  turns = turn.catch(() => undefined)
  return await turn
}

let turns: Promise<unknown> = Promise.resolve()

async function runHere(
  args: string[],
  environment: Record<string, string>,
  cwd: string | undefined,
  stdin: string,
): Promise<Outcome> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  const before = { env: process.env, cwd: process.cwd() }
  const ownStdin = Object.getOwnPropertyDescriptor(process, 'stdin')!
  const { PATH, HOME } = before.env
  process.env = { PATH, HOME, XDG_CONFIG_HOME: '/dev/null', ...environment }
  Object.defineProperty(process, 'stdin', { value: Readable.from([stdin]), configurable: true })
  if (cwd !== undefined) process.chdir(cwd)
  try {
    const status = await runArguments(commands, args, {
      stdout: streamInto(stdout),
      stderr: streamInto(stderr),
      signal: new AbortController().signal,
    })
    const bytes = Buffer.concat(stdout)
    return {
      status,
      stdout: bytes,
      text: bytes.toString(),
      stderr: Buffer.concat(stderr).toString(),
    }
  } finally {
    Object.defineProperty(process, 'stdin', ownStdin)
    process.env = before.env
    process.chdir(before.cwd)
  }
}

/** A stream that, like a pipe, is not a terminal. */
function streamInto(chunks: Buffer[]): NodeJS.WriteStream {
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      done()
    },
  })
  return stream as unknown as NodeJS.WriteStream
}
