/** Runs the `trove` command: finds the subcommand, loads only that, and turns its outcome into
 *  an exit status. The only place that ends the process. */
import { setMaxListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { readProgramVersion } from '../program-files.ts'
import { ConfigError } from '../config/settings.ts'
import { parseFlags, takeOperands, UsageError } from './arguments.ts'
import { commandNamed } from './client-commands.ts'
import { type Commands, formatColumns, formatHelp, type Invocation } from './command.ts'
import { type ExitStatus, exitStatus, exitStatusOf, hintFor, isAbort } from './exit-status.ts'
import { isReaderGone, printable, stdoutError, write } from './output/output.ts'

/** Where a command writes, and what interrupts it. */
export type Surroundings = Pick<Invocation, 'stdout' | 'stderr' | 'signal'>

async function statusOf(
  commands: Commands,
  args: string[],
  surroundings: Surroundings,
): Promise<ExitStatus> {
  const { stdout, stderr } = surroundings
  const [name, ...rest] = args
  if (name === 'version' || name === '--version' || name === '-V' || name === '-v') {
    await write(stdout, `trove ${readProgramVersion()}\n`)
    return exitStatus.ok
  }
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const isRequested = name !== undefined
    const text =
      rest[0] === undefined
        ? overview(commands)
        : formatHelp(rest[0], await commandNamed(commands, rest[0]).load())
    await write(isRequested ? stdout : stderr, text)
    return isRequested ? exitStatus.ok : exitStatus.usage
  }
  const command = await commandNamed(commands, name).load()
  const parsed = parseFlags(command.flags, rest)
  if (parsed === undefined) {
    await write(stdout, formatHelp(name, command))
    return exitStatus.ok
  }
  const { values: flags, operands } = parsed
  if (command.operands === '') takeOperands(operands, [])
  return (await command.run({ flags, operands, commands, ...surroundings })) ?? exitStatus.ok
}

/** A signal aborted by the first SIGINT, SIGTERM or SIGHUP (terminal closed). A second one ends
 *  the process at once. */
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
    'Trove stores the artifacts of CI runs, every byte once.',
    '',
    'Usage:',
    '  trove COMMAND [FLAGS]',
    '',
    'Commands:',
    ...formatColumns(rows),
    '',
    'Run `trove COMMAND --help` for its flags, examples and exit statuses, `trove --version` for the version.',
    '',
  ].join('\n')
}

/** Reports a bug outside of what the command awaits, or the end of a thread without which a server
 *  can do nothing right. Whatever the error is, it was not expected there, so it has its stack, and
 *  the status is no verdict: systemd restarts a server unless its settings are invalid. Node itself
 *  would print positions in the bundle. */
async function reportUncaught(error: unknown, stderr: Surroundings['stderr']): Promise<void> {
  const { describeError } = await import('../log.ts')
  await writeMessage(stderr, error instanceof Error ? describeError(error, false) : String(error))
}

/** Reports an error on stderr in one or two lines; bugs with their stack and cause. */
async function report(
  commands: Commands,
  [name]: string[],
  error: unknown,
  { stderr }: Surroundings,
): Promise<void> {
  if (isAbort(error)) return
  const { describeError } = await import('../log.ts')
  const hints: string[] = []
  const hint = hintFor(error)
  if (hint !== undefined) hints.push(`hint: ${hint}`)
  // Problems of a variable already say what it accepts.
  const isOfFlags =
    error instanceof ConfigError && error.problems.some((problem) => problem.startsWith('--'))
  if (error instanceof UsageError || isOfFlags) {
    const isCommand = name !== undefined && Object.hasOwn(commands, name)
    hints.push(
      isCommand
        ? `hint: \`trove ${name} --help\` shows the accepted flags.`
        : 'hint: `trove --help` lists the commands.',
    )
  }
  await writeMessage(stderr, messageOf(error, describeError), hints)
}

async function writeMessage(
  stderr: Surroundings['stderr'],
  message: string,
  hints: string[] = [],
): Promise<void> {
  const { stderrPrefix } = await import('../log.ts')
  const prefix = stderr === process.stderr ? stderrPrefix('error') : ''
  const lines = [...message.split('\n').map((line) => `trove: ${printable(line)}`), ...hints]
  await write(stderr, lines.map((line) => `${prefix}${line}\n`).join(''))
}

function messageOf(error: unknown, describeError: (error: Error) => string): string {
  if (!(error instanceof Error)) return String(error)
  // A refusal by the system (a port in use, a missing directory) is no bug, and its message is
  // complete.
  const isExpected = expectedErrors.has(error.name) || 'syscall' in error
  return isExpected ? error.message : describeError(error)
}

/** Names, so that no command loads classes that only another needs. */
const expectedErrors: ReadonlySet<string> = new Set([
  'StoreError',
  'FileError',
  'SymlinkError',
  'AttestationError',
  'UsageError',
  'ConfigError',
  'NetworkError',
  'ProxyRefusal',
  'AnswerError',
  'ClockError',
  'DataLockedError',
  'CancelledError',
  'NewerDatabaseError',
  'ChangedMigrationError',
  'UnusableDatabaseError',
])

/** Runs the command that `args` name, reports a failure on stderr, and returns the exit status. */
export async function runArguments(
  commands: Commands,
  args: string[],
  surroundings: Surroundings,
): Promise<ExitStatus> {
  const { stdout, stderr } = surroundings
  // A reader that has seen enough (`trove list | head`) is no failure; `write` reports it to the
  // command as well.
  const broken = new Promise<never>((_, reject) => {
    stdout.on('error', (error) => {
      if (!isReaderGone(error)) reject(stdoutError(error) as Error)
    })
  })
  // Messages that nobody reads, or that a full disk rejects, end nothing, least of all a server.
  stderr.on('error', () => {})
  try {
    return await Promise.race([statusOf(commands, args, surroundings), broken])
  } catch (error) {
    if (isReaderGone(error)) return exitStatus.ok
    await report(commands, args, error, surroundings)
    return exitStatusOf(error)
  }
}

/** V8 gives flags of the command line priority over the bounds that threads are started with
 *  (heap.cc, `ConfigureHeap`). It reads them when a heap is made, and this thread has its heap. */
function releaseHeapFlags(): void {
  setFlagsFromString('--max-old-space-size=0')
  setFlagsFromString('--max-semi-space-size=0')
}

/** Runs the command that the process arguments name, and ends the process. */
export async function runProgram(commands: Commands): Promise<never> {
  releaseHeapFlags()
  const { stdout, stderr, argv } = process
  const surroundings = { stdout, stderr, signal: interruption() }
  let isEnding = false
  process.on('uncaughtException', (error: unknown) => {
    // More may fail meanwhile.
    if (isEnding) return
    isEnding = true
    void reportUncaught(error, stderr).finally(() => process.exit(exitStatus.failure))
  })
  process.exit(await runArguments(commands, argv.slice(2), surroundings))
}
