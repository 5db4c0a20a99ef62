/** File commands: files that a step writes to set outputs, environment, path, state and its
 *  summary. Each step gets new, empty files; they are read once, after it ends. */
import { asError } from '../../core/errors.ts'
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { bounds } from '../bounds.ts'
import { removeTree } from '../remove-tree.ts'

/** Paths of one step's files, keyed by the variables that hold them. */
export interface CommandFiles {
  GITHUB_ENV: string
  GITHUB_OUTPUT: string
  GITHUB_PATH: string
  GITHUB_STATE: string
  GITHUB_STEP_SUMMARY: string
}

/** What a step requested. `faults` are unreadable or invalid files; each fails the step.
 *  `summaryFaults` are only reported, as on GitHub, for example a summary that is too large. */
export interface FileCommands {
  env: Record<string, string>
  outputs: Record<string, string>
  path: string[]
  state: Record<string, string>
  summary: string
  faults: string[]
  summaryFaults: string[]
}

const prefixes = {
  GITHUB_ENV: 'set_env',
  GITHUB_OUTPUT: 'set_output',
  GITHUB_PATH: 'add_path',
  GITHUB_STATE: 'save_state',
  GITHUB_STEP_SUMMARY: 'step_summary',
} as const

/** Creates the empty files below `temporary`. */
export async function createCommandFiles(temporary: string): Promise<CommandFiles> {
  const directory = join(temporary, '_runner_file_commands')
  await mkdir(directory, { recursive: true })
  const id = randomUUID()
  const entries = Object.entries(prefixes).map(
    ([name, prefix]) => [name, join(directory, `${prefix}_${id}`)] as const,
  )
  await Promise.all(entries.map(([, path]) => writeFile(path, '')))
  return Object.fromEntries(entries) as unknown as CommandFiles
}

/** Reads what the step wrote, then removes the files. */
export async function readCommandFiles(files: CommandFiles): Promise<FileCommands> {
  const faults: string[] = []
  const summaryFaults: string[] = []
  const pairs = async (name: keyof CommandFiles): Promise<Record<string, string>> => {
    const found = new Map<string, string>()
    try {
      const content = await readBounded(files[name], bounds.commandFileBytesMax)
      for (const [key, value] of eachPair(content)) found.set(key, value)
    } catch (error) {
      // As on a runner, what stands before an invalid line counts.
      faults.push(`Unable to process file command '${name}': ${asError(error).message}`)
    }
    return Object.fromEntries(found)
  }
  const text = async (
    name: keyof CommandFiles,
    bytesMax: number,
    found: string[],
  ): Promise<string> => {
    try {
      return await readBounded(files[name], bytesMax)
    } catch (error) {
      found.push(`Unable to read ${name}: ${asError(error).message}`)
      return ''
    }
  }
  const result: FileCommands = {
    env: await pairs('GITHUB_ENV'),
    outputs: await pairs('GITHUB_OUTPUT'),
    state: await pairs('GITHUB_STATE'),
    path: (await text('GITHUB_PATH', bounds.commandFileBytesMax, faults))
      .split(/\r?\n/)
      .filter((line) => line !== ''),
    summary: await text('GITHUB_STEP_SUMMARY', bounds.summaryBytesMax, summaryFaults),
    faults,
    summaryFaults,
  }
  await Promise.all(Object.values(files).map((path: string) => removeTree(path)))
  return result
}

/** A line that cannot be parsed, with its number counted from 1. The message quotes the line. */
export class PairsError extends Error {
  override readonly name = 'PairsError'
  readonly line: number
  constructor(message: string, line: number) {
    super(message)
    this.line = line
  }
}

/** Parses `name=value` lines and `name<<DELIMITER … DELIMITER` blocks, the format of GITHUB_ENV and
 *  GITHUB_OUTPUT. Line breaks inside a block are kept. Errors: PairsError. */
export function parsePairs(text: string): Record<string, string> {
  return Object.fromEntries(eachPair(text))
}

function* eachPair(text: string): Generator<[name: string, value: string]> {
  const lines = text.split(/(?<=\n)/)
  for (let at = 0; at < lines.length; at++) {
    const line = trimBreak(lines[at] ?? '')
    const wrong = (message: string): PairsError => new PairsError(message, at + 1)
    if (line === '') continue
    const equals = line.indexOf('=')
    const heredoc = line.indexOf('<<')
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      if (equals === 0) throw wrong(`Invalid format '${line}'. Name must not be empty`)
      yield [line.slice(0, equals), line.slice(equals + 1)]
    } else if (heredoc >= 0) {
      const name = line.slice(0, heredoc)
      const delimiter = line.slice(heredoc + 2)
      if (name === '' || delimiter === '') {
        throw wrong(
          `Invalid format '${line}'. Name must not be empty and delimiter must not be empty`,
        )
      }
      let end = at + 1
      while (end < lines.length && trimBreak(lines[end] ?? '') !== delimiter) end++
      if (end === lines.length)
        throw wrong(`Invalid value. Matching delimiter not found '${delimiter}'`)
      yield [name, trimBreak(lines.slice(at + 1, end).join(''))]
      at = end
    } else {
      throw wrong(`Invalid format '${line}'`)
    }
  }
}

function trimBreak(line: string): string {
  return line.endsWith('\r\n') ? line.slice(0, -2) : line.endsWith('\n') ? line.slice(0, -1) : line
}

/** Returns '' when the step removed the file. The step may have replaced it with anything: opening
 *  a named pipe must not block, and a device may never end. */
async function readBounded(path: string, bytesMax: number): Promise<string> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return ''
  try {
    const stats = await file.stat()
    if (!stats.isFile() && !stats.isCharacterDevice()) throw new Error('not a file')
    if (stats.size > bytesMax)
      throw new Error(`the file has ${stats.size} bytes, the limit is ${bytesMax}`)
    const bytes = await buffer(file.createReadStream({ end: bytesMax, autoClose: false }))
    if (bytes.length > bytesMax) throw new Error(`the file exceeds the limit of ${bytesMax} bytes`)
    return bytes.toString()
  } finally {
    await file.close()
  }
}
