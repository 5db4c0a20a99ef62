/** What a `trove` command does with its arguments: finds the subcommand, loads only that, and turns its outcome into an exit
 *  status. The only place that ends the process. */
import { setMaxListeners } from 'node:events'
import { readFileSync } from 'node:fs'
import { ConfigError } from '../settings.ts'
import { parseFlags, UsageError } from './arguments.ts'
import { commandNamed, type Commands } from './client-commands.ts'
import { type Command, formatColumns, formatHelp } from './command.ts'
import { type ExitStatus, exitStatus, exitStatusOf, hintFor, isAbort } from './exit-status.ts'
import { write } from './output.ts'

async function statusOf(commands: Commands, args: string[]): Promise<ExitStatus> {
  const [name, ...rest] = args
  if (name === 'version' || name === '--version' || name === '-V') {
    await write(process.stdout, `trove ${readVersion()}\n`)
    return exitStatus.ok
  }
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const isAsked = name !== undefined
    const text =
      rest[0] === undefined
        ? overview(commands)
        : formatHelp(await commandNamed(commands, rest[0]).load())
    await write(isAsked ? process.stdout : process.stderr, text)
    return isAsked ? exitStatus.ok : exitStatus.usage
  }
  return await runCommand(await commandNamed(commands, name).load(), rest)
}

/** Of the package that this file was built into: `dist/src/cli` is three folders below it. */
function readVersion(): string {
  const path = new URL('../../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

async function runCommand(command: Command, args: string[]): Promise<ExitStatus> {
  const { values, operands, help } = parseFlags(command.flags, args)
  if (help) {
    await write(process.stdout, formatHelp(command))
    return exitStatus.ok
  }
  const signal = interruption()
  return await command.run({
    flags: values,
    operands,
    stdout: process.stdout,
    stderr: process.stderr,
    signal,
  })
}

/** Aborted by the first SIGINT, SIGTERM or SIGHUP (the terminal was closed). A second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitStatus.interrupted)
      controller.abort()
    })
  }
  return controller.signal
}

function overview(commands: Commands): string {
  const rows = Object.entries(commands).map(([name, { summary }]): [string, string] => [
    name,
    summary,
  ])
  return [
    'Trove keeps the artifacts of CI runs, every byte once.',
    '',
    'Usage:',
    '  trove COMMAND [FLAGS]',
    '',
    'Commands:',
    ...formatColumns(rows),
    '',
    '`trove COMMAND --help` shows flags, examples and exit statuses of one, `trove --version` the version.',
    '',
  ].join('\n')
}

/** Says on stderr what went wrong, in one or two lines; bugs with their stack. */
async function report(commands: Commands, error: unknown): Promise<void> {
  if (isAbort(error)) return
  const lines = messageOf(error)
    .split('\n')
    .map((line) => `trove: ${line}`)
  const hint = hintFor(error)
  if (hint !== undefined) lines.push(`hint: ${hint}`)
  // What is wrong with a variable says what it accepts.
  const isOfFlags =
    error instanceof ConfigError && error.problems.some((problem) => problem.startsWith('--'))
  if (error instanceof UsageError || isOfFlags) {
    const [name] = process.argv.slice(2)
    const isCommand = name !== undefined && Object.hasOwn(commands, name)
    lines.push(`hint: \`trove ${isCommand ? `${name} ` : ''}--help\` shows what is accepted.`)
  }
  await write(process.stderr, `${lines.join('\n')}\n`)
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // What the system refuses (a taken port, a missing directory) is no bug, and its message says it all.
  const isExpected = expectedErrors.has(error.name) || 'syscall' in error
  return isExpected ? error.message : (error.stack ?? error.message)
}

/** By name, so that no command loads what only another needs. */
const expectedErrors: ReadonlySet<string> = new Set([
  'StoreError',
  'FileError',
  'UsageError',
  'ConfigError',
  'NetworkError',
  'ProxyRefusal',
  'AnswerError',
  'DataLockedError',
  'NewerDatabaseError',
  'UnusableDatabaseError',
])

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EPIPE'
}

/** Runs the command that the arguments of the process name, and ends the process. */
export async function runProgram(commands: Commands): Promise<never> {
  let ending: Promise<void> | undefined
  /** With what went wrong, which may come to light in two ways. */
  const end = async (error: unknown): Promise<never> => {
    ending ??= report(commands, error)
    await ending
    process.exit(exitStatusOf(error))
  }
  // A reader that has seen enough (`trove list | head`) is no failure; `write` reports it to the command as well.
  process.stdout.on('error', (error) => {
    if (!isReaderGone(error)) void end(error)
  })
  // Talk that nobody reads, or that a full disk does not take, ends nothing, a server least of all.
  process.stderr.on('error', () => {})
  try {
    process.exit(await statusOf(commands, process.argv.slice(2)))
  } catch (error) {
    if (isReaderGone(error)) process.exit(exitStatus.ok)
    return await end(error)
  }
}
