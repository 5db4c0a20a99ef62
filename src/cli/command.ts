/** The interface of a command, and its help text. */
import { commonFlags, type Flags, type FlagValues, serverFlags } from './arguments.ts'
import { exitStatusMeaning, type ExitStatus } from './exit-status.ts'

/** A command by its name, loaded when it is asked for. */
export interface Listed {
  summary: string
  load(): Promise<Command>
}

export type Commands = Readonly<Record<string, Listed>>

export interface Invocation<F extends Flags = Flags> {
  flags: FlagValues<F>
  operands: string[]
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  /** All commands of this program. */
  commands: Commands
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal
}

export interface Command<F extends Flags = Flags> {
  /** Operands as shown in help, such as `REF:PATH`. With none, the program accepts none. */
  operands: string
  summary: string
  flags: F
  examples: string[]
  /** Exit statuses in addition to 0, 1, 2 and 130, which every command has. */
  exitStatuses: ExitStatus[]
  /** What statuses mean besides what they mean for every command. */
  alsoMeans?: Partial<Record<ExitStatus, string>>
  /** Without a result, the command has succeeded. */
  run(invocation: Invocation<F>): Promise<ExitStatus | void>
}

export function formatHelp(name: string, command: Omit<Command, 'run'>): string {
  const usage = ['trove', name, command.operands, '[FLAGS]'].filter((word) => word !== '').join(' ')
  const statuses = [...new Set<ExitStatus>([0, 1, 2, ...command.exitStatuses, 130])].sort(
    (a, b) => a - b,
  )
  const meaningOf = (status: ExitStatus): string =>
    [command.alsoMeans?.[status], exitStatusMeaning[status]]
      .filter((meaning) => meaning !== undefined)
      .join(', or ')
  return [
    `${command.summary}`,
    '',
    'Usage:',
    `  ${usage}`,
    ...(/\bREF\b/.test(`${command.operands} ${command.summary}`) ? ['', referenceForms] : []),
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
    'Flags:',
    ...formatColumns(flagRows(command.flags)),
    '',
    'Exit status:',
    ...formatColumns(statuses.map((status) => [String(status), meaningOf(status)])),
    '',
  ].join('\n')
}

const referenceForms =
  'REF is RUN/NAME, O/R@RUN/NAME, latest:BRANCH/NAME, id:123, or in a job NAME of its own run; `trove list` shows run, name and id.'

const sharedFlags: ReadonlySet<string> = new Set(Object.keys({ ...serverFlags, ...commonFlags }))

/** The command's own flags first, then the shared ones. */
function flagRows(own: Flags): [string, string][] {
  const all = Object.entries<Flags[string]>({ ...own, ...commonFlags })
  const ordered = [
    ...all.filter(([name]) => !sharedFlags.has(name)),
    ...all.filter(([name]) => sharedFlags.has(name)),
  ]
  return ordered.map(([name, { value, short, repeats, help }]) => [
    `${short === undefined ? '    ' : `-${short}, `}--${name}${value === null ? '' : ` ${value}`}`,
    repeats === true ? `${help} (repeatable)` : help,
  ])
}

/** Formats two indented columns, the first as wide as its widest cell. */
export function formatColumns(rows: [string, string][]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`)
}
