/** What a command is, and its help. */
import { commonFlags, type Flags, type FlagValues } from './arguments.ts'
import { exitStatusMeaning, type ExitStatus } from './exit-status.ts'

export interface Invocation<F extends Flags = Flags> {
  flags: FlagValues<F>
  operands: string[]
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal
}

export interface Command<F extends Flags = Flags> {
  name: string
  /** Operands as help shows them, such as `REF:PATH`. */
  operands: string
  summary: string
  flags: F
  examples: string[]
  /** Beside 0, 1, 2 and 130, which every command has. */
  exitStatuses: ExitStatus[]
  run(invocation: Invocation<F>): Promise<ExitStatus>
}

export function formatHelp(command: Omit<Command, 'run'>): string {
  const usage = ['trove', command.name, command.operands, '[FLAGS]']
    .filter((word) => word !== '')
    .join(' ')
  const statuses = [...new Set<ExitStatus>([0, 1, 2, ...command.exitStatuses, 130])].sort(
    (a, b) => a - b,
  )
  const all: Flags = { ...command.flags, ...commonFlags }
  const flags = Object.entries(all).map(([name, { value, short, help }]): [string, string] => [
    `${short === undefined ? '    ' : `-${short}, `}--${name}${value === null ? '' : ` ${value}`}`,
    help,
  ])
  return [
    `${command.summary}`,
    '',
    'Usage:',
    `  ${usage}`,
    '',
    'Examples:',
    ...command.examples.map((example) => `  ${example}`),
    '',
    'Flags:',
    ...formatColumns(flags),
    '',
    'Exit status:',
    ...formatColumns(statuses.map((status) => [String(status), exitStatusMeaning[status]])),
    '',
  ].join('\n')
}

/** Two columns, indented, the first as wide as its widest. */
export function formatColumns(rows: [string, string][]): string[] {
  const width = Math.max(0, ...rows.map(([first]) => first.length))
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}`)
}
