/** One stored page of a job's log: a JSON array `[step, at, kind, text]` per line, deflated. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { LogKind, LogLine } from '../core/run/run-record.ts'

/** One line of a page, including its newline. Log limits count its length in UTF-8. */
export function formatLogLine({ step, at, kind, text }: LogLine): string {
  return `${JSON.stringify([step, at, kind, text])}\n`
}

export function deflateLogPage(lines: string): Buffer {
  return deflateRawSync(lines)
}

/** The lines of a stored page as they were formatted. */
export function inflateLogPage(bytes: Uint8Array): string {
  return inflateRawSync(bytes).toString('utf8')
}

export function parseLogLines(lines: string): LogLine[] {
  return lines
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [step, at, kind, text] = JSON.parse(line) as [number, number, LogKind, string]
      return { step, at, kind, text }
    })
}
