/** Runs the built `trove` as users do: in a process with its own environment. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const mainProgram = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url))

export interface Outcome {
  status: number | null
  stdout: Buffer
  text: string
  stderr: string
}

export function startTrove(
  args: string[],
  environment: Record<string, string> = {},
  cwd?: string,
): ChildProcessWithoutNullStreams {
  const { PATH = '', HOME = '' } = process.env
  return spawn(process.execPath, [mainProgram, ...args], {
    cwd,
    // Whoever runs the tests may be logged in somewhere.
    env: { PATH, HOME, XDG_CONFIG_HOME: '/dev/null', ...environment },
  })
}

export async function runTrove(
  args: string[],
  environment: Record<string, string> = {},
  cwd?: string,
  stdin: string | Buffer = '',
): Promise<Outcome> {
  const child = startTrove(args, environment, cwd)
  child.stdin.end(stdin)
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close'),
  ])
  return { status: child.exitCode, stdout, text: stdout.toString(), stderr: stderr.toString() }
}
