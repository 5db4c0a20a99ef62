/** What shell completion needs to know of each command, read from its definition. */
import { commonFlags, type Flags } from '../arguments.ts'
import type { Command, Commands } from '../command.ts'

/** What a word may be: one of `words`, a path, a directory, or (null) something a shell cannot
 *  know, such as a REF. */
export type Completion = { words: readonly string[] } | 'files' | 'directories' | null

export interface FlagShape {
  /** `--state`. */
  long: string
  /** `-n`. */
  short: string | undefined
  help: string
  repeats: boolean
  /** Undefined for a flag without a value. */
  value: { label: string; completion: Completion } | undefined
}

export interface OperandShape {
  label: string
  completion: Completion
  isOptional: boolean
  /** The last operand may be given several times. */
  repeats: boolean
}

export interface CommandShape {
  name: string
  summary: string
  flags: FlagShape[]
  operands: OperandShape[]
}

/** Loads every command. The order is that of help. */
export async function commandShapes(commands: Commands): Promise<CommandShape[]> {
  return await Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) => {
      const { flags, operands } = await load()
      return { name, summary, flags: flagShapes(flags), operands: operandShapes(operands) }
    }),
  )
}

function flagShapes(own: Flags): FlagShape[] {
  const flags: Flags = { ...own, ...commonFlags }
  return Object.entries(flags).map(([name, { value: label, short, repeats, choices, help }]) => ({
    long: `--${name}`,
    short: short === undefined ? undefined : `-${short}`,
    help,
    repeats: repeats === true,
    value:
      label === null
        ? undefined
        : { label, completion: choices === undefined ? ofLabel(label) : { words: choices } },
  }))
}

/** Reads `NAME PATH...`, `REF...|@RUN`, `REF [DIR|FILE]`, `REF --in TIME`. Flags in this text are
 *  not operands. */
function operandShapes(operands: Command['operands']): OperandShape[] {
  const words = operands.replaceAll(/--\S+ \S+/g, '').match(/\S+/g) ?? []
  return words.map((word) => {
    const label = word.replace('...', '').replace(/^\[(.*)\]$/, '$1')
    return {
      label,
      // Flags take paths inside artifacts.
      completion: label === 'PATH' ? 'files' : ofLabel(label),
      isOptional: word.startsWith('['),
      repeats: word.includes('...'),
    }
  })
}

const fileLabels: ReadonlySet<string> = new Set(['FILE', 'WORKFLOW.yml'])
const directoryLabels: ReadonlySet<string> = new Set(['DIR', 'DEST'])

/** Goes by the label in help. Lower-case words stand for themselves. */
function ofLabel(label: string): Completion {
  const alternatives = label.split('|')
  if (alternatives.every((each) => /^[a-z-]+$/.test(each))) return { words: alternatives }
  if (alternatives.some((each) => fileLabels.has(each))) return 'files'
  return alternatives.some((each) => directoryLabels.has(each)) ? 'directories' : null
}

/** The spellings of flags that take a value. */
export function valuedFlags({ flags }: CommandShape): string[] {
  return flags.filter(({ value }) => value !== undefined).flatMap(spellings)
}

export function spellings({ short, long }: FlagShape): string[] {
  return short === undefined ? [long] : [short, long]
}

/** Words that can stand in the place of a command. */
export const furtherWords = ['help', 'version'] as const
