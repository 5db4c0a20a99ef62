/** Writes log lines: one JSON object per line on stderr, with time, level, message and fields. In
 *  systemd's journal, a priority precedes it, which the journal removes. Paths, SQL and stacks of
 *  bugs may appear in them. Secrets must not, so callers log routes and never raw URLs (a signed
 *  URL is a credential). */
import { fstatSync } from 'node:fs'
import { journalStream, type LogLevel } from './config/config.ts'
import { causesMax, StoreError } from './core/errors.ts'
import { traceOfSource } from './source-trace.ts'

export type LogFields = Record<string, string | number | boolean | null | undefined | Error>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** A log whose lines all carry `fields`, such as a request id. */
  with(fields: LogFields): Log
}

const severity: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 }

/** What the journal reads at the start of a line (sd-daemon(3)). */
const journalPriority: Record<LogLevel, string> = {
  debug: '<7>',
  info: '<6>',
  warn: '<4>',
  error: '<3>',
}

const isInJournal = isJournalOnStderr()

/** Children of a service inherit JOURNAL_STREAM, whatever their own output is (systemd.exec). */
function isJournalOnStderr(): boolean {
  const stream = journalStream()
  // Some stderr cannot be examined, such as Wine's.
  if (stream === undefined) return false
  const { dev, ino } = fstatSync(2)
  return stream === `${dev}:${ino}`
}

/** What precedes a line on stderr. */
export function stderrPrefix(level: LogLevel): string {
  return isInJournal ? journalPriority[level] : ''
}

/** Drops lines below `level`. `write` receives whole lines, including the newline. */
export function createLog(level: LogLevel, write?: (line: string) => void): Log {
  return logWith({}, (lineLevel, message, fields) => {
    if (severity[lineLevel] < severity[level]) return
    const line = `${formatLine(lineLevel, message, fields)}\n`
    if (write === undefined) process.stderr.write(stderrPrefix(lineLevel) + line)
    else write(line)
  })
}

type Emit = (level: LogLevel, message: string, fields: LogFields) => void

function logWith(bound: LogFields, emit: Emit): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      emit(level, message, { ...bound, ...fields })
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => logWith({ ...bound, ...fields }, emit),
  }
}

function formatLine(level: LogLevel, message: string, fields: LogFields): string {
  const line: Record<string, unknown> = { time: new Date().toISOString(), level, message }
  for (const [name, value] of Object.entries(fields)) {
    line[name] = value instanceof Error ? describeError(value) : value
  }
  return JSON.stringify(line)
}

/** Returns the message of an error and of what caused it; for bugs, with stacks that refer to the
 *  source. An expected failure can occur with each request. */
export function describeError(error: Error, isExpected = error instanceof StoreError): string {
  const texts: string[] = []
  let expected = isExpected
  // The bound ends a chain that is circular.
  for (let each: unknown = error; each instanceof Error && texts.length <= causesMax;) {
    texts.push(expected ? each.message : traceOfSource(stackOf(each)))
    each = each.cause
    expected ||= each instanceof StoreError
  }
  return texts.join('\ncaused by ')
}

/** Has the message, too. */
function stackOf(error: Error): string {
  return error.stack ?? `${error.name}: ${error.message}`
}
