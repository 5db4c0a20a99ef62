#!/usr/bin/env -S node --max-old-space-size=512 --max-semi-space-size=4
/** The `trove` command: finds the subcommand, loads only that, and turns its outcome into an exit status. The only
 *  place that ends the process. */
// The bounds in the first line keep V8 from letting garbage grow with the machine's memory; no command holds that much.
import { setMaxListeners } from 'node:events'
import { ConfigError } from '../settings.ts'
import { parseFlags, UsageError } from './arguments.ts'
import { type Command, formatColumns, formatHelp } from './command.ts'
import { type ExitStatus, exitStatus, exitStatusOf, hintFor, isAbort } from './exit-status.ts'
import { write } from './output.ts'

interface Listed {
  summary: string
  load(): Promise<Command>
}

const commands: Record<string, Listed> = {
  serve: {
    summary: 'starts the server',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  token: {
    summary: 'mints a token',
    load: async () => (await import('./commands/token.ts')).tokenCommand,
  },
  list: {
    summary: 'lists artifacts',
    load: async () => (await import('./commands/list.ts')).listCommand,
  },
  ls: {
    summary: 'lists the entries of an artifact',
    load: async () => (await import('./commands/ls.ts')).lsCommand,
  },
  cat: {
    summary: 'writes one file of an artifact to stdout',
    load: async () => (await import('./commands/cat.ts')).catCommand,
  },
  upload: {
    summary: 'uploads files and directories; sends only what the server lacks',
    load: async () => (await import('./commands/upload.ts')).uploadCommand,
  },
  download: {
    summary: 'brings a directory to what an artifact holds',
    load: async () => (await import('./commands/download.ts')).downloadCommand,
  },
  rm: {
    summary: 'deletes artifacts',
    load: async () => (await import('./commands/rm.ts')).rmCommand,
  },
  keep: {
    summary: 'keeps an artifact for ever',
    load: async () => (await import('./commands/keep.ts')).keepCommand,
  },
  expire: {
    summary: 'changes when an artifact expires',
    load: async () => (await import('./commands/expire.ts')).expireCommand,
  },
  diff: {
    summary: 'shows what differs between two artifacts',
    load: async () => (await import('./commands/diff.ts')).diffCommand,
  },
  run: {
    summary: 'runs a workflow on this machine',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  gc: {
    summary: 'gives the bytes of what expired or was deleted back to the disk',
    load: async () => (await import('./commands/gc.ts')).gcCommand,
  },
  scrub: {
    summary: 'reads back everything that is stored, and names what is damaged',
    load: async () => (await import('./commands/scrub.ts')).scrubCommand,
  },
  backup: {
    summary: 'copies a store, running or not, to a new directory',
    load: async () => (await import('./commands/backup.ts')).backupCommand,
  },
  recover: {
    summary: 'rebuilds lost metadata from packs',
    load: async () => (await import('./commands/recover.ts')).recoverCommand,
  },
  stats: {
    summary: 'shows what the store holds and what was saved',
    load: async () => (await import('./commands/stats.ts')).statsCommand,
  },
}

async function main(args: string[]): Promise<ExitStatus> {
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    const named = rest[0] === undefined ? undefined : commands[rest[0]]
    const isAsked = name !== undefined
    const text = named === undefined ? overview() : formatHelp(await named.load())
    await write(isAsked ? process.stdout : process.stderr, text)
    return isAsked ? exitStatus.ok : exitStatus.usage
  }
  const listed = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (listed === undefined)
    throw new UsageError(`there is no command ${JSON.stringify(name)}; \`trove help\` lists them`)
  return await runCommand(await listed.load(), rest)
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

/** Aborted by the first SIGINT or SIGTERM. A second one ends the process at once. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitStatus.interrupted)
      controller.abort()
    })
  }
  return controller.signal
}

function overview(): string {
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
    '`trove COMMAND --help` shows flags, examples and exit statuses of one.',
    '',
  ].join('\n')
}

/** Says on stderr what went wrong, in one or two lines; bugs with their stack. */
async function report(error: unknown): Promise<void> {
  if (isAbort(error)) return
  const lines = messageOf(error)
    .split('\n')
    .map((line) => `trove: ${line}`)
  const hint = hintFor(error)
  if (hint !== undefined) lines.push(`hint: ${hint}`)
  if (error instanceof UsageError || error instanceof ConfigError) {
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
  'UsageError',
  'ConfigError',
  'NetworkError',
  'DataLockedError',
  'NewerDatabaseError',
])

function isReaderGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'EPIPE'
}

// A reader that has seen enough (`trove list | head`) is no failure; `write` reports it to the command as well.
process.stdout.on('error', (error) => {
  if (!isReaderGone(error)) throw error
})

try {
  process.exit(await main(process.argv.slice(2)))
} catch (error) {
  if (isReaderGone(error)) process.exit(exitStatus.ok)
  await report(error)
  process.exit(exitStatusOf(error))
}
