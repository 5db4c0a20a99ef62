/** Runs `trove` in the process of the test: a fifth of the time that a process of its own takes. What is about processes
 *  (signals, pipes, stdin, the build) takes those of `run-trove.ts`. */
import { Writable } from 'node:stream'
import { commands } from '../../src/cli/command-list.ts'
import { runArguments } from '../../src/cli/program.ts'
import { type Outcome, runTrove } from './run-trove.ts'

/** As `runTrove`. Calls take turns, since environment and directory are those of the process. Where `CI` is set each is a
 *  process of its own after all, so that the build of every command is tested as well. */
export async function runTroveInside(
  args: string[],
  environment: Record<string, string> = {},
  cwd?: string,
): Promise<Outcome> {
  if (process.env['CI'] !== undefined) return await runTrove(args, environment, cwd)
  const turn = turns.then(async () => await runHere(args, environment, cwd))
  turns = turn.catch(() => undefined)
  return await turn
}

let turns: Promise<unknown> = Promise.resolve()

async function runHere(
  args: string[],
  environment: Record<string, string>,
  cwd?: string,
): Promise<Outcome> {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  const before = { env: process.env, cwd: process.cwd() }
  const { PATH, HOME } = before.env
  process.env = { PATH, HOME, ...environment }
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
    process.env = before.env
    process.chdir(before.cwd)
  }
}

/** Like a pipe it is no terminal. */
function streamInto(chunks: Buffer[]): NodeJS.WriteStream {
  const stream = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk)
      done()
    },
  })
  return stream as unknown as NodeJS.WriteStream
}
