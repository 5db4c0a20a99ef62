/** Stored pages of what runners report: deflated text, of summaries as it is, of logs as a JSON
 *  array `[step, at, kind, text]` per line. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { limits } from '../../../core/limits.ts'
import type { LogKind, LogLine } from '../../../core/run/run-record.ts'

/** Includes the newline. Log limits count its length in UTF-8. */
export function formatStoredLine({ step, at, kind, text }: LogLine): string {
  return `${JSON.stringify([step, at, kind, text])}\n`
}

export function parseStoredLines(page: string): LogLine[] {
  return page
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [step, at, kind, text] = JSON.parse(line) as [number, number, LogKind, string]
      return { step, at, kind, text }
    })
}

export function inflatePage(bytes: Uint8Array): string {
  return inflateRawSync(bytes).toString('utf8')
}

export interface PageFilling {
  /** Returns the length of the text in bytes. */
  add(text: string): number
  /** Stores the page that is not full yet. */
  close(): void
}

/** Appends to the pages of a log or a summary: texts fill the `last` one before a new one begins.
 *  `put` stores a page, new or longer than before. */
export function fillPages(
  last: { page: number; textBytes: number; bytes: Buffer } | undefined,
  put: (page: number, textBytes: number, bytes: Buffer) => void,
): PageFilling {
  const fills = last !== undefined && last.textBytes < limits.logPageBytes
  let page = fills ? last.page : (last?.page ?? -1) + 1
  let text = fills ? inflatePage(last.bytes) : ''
  let textBytes = fills ? last.textBytes : 0
  const close = (): void => {
    if (textBytes > 0) put(page, textBytes, deflateRawSync(text))
    page += 1
    text = ''
    textBytes = 0
  }
  return {
    add: (added) => {
      const addedBytes = Buffer.byteLength(added)
      text += added
      textBytes += addedBytes
      if (textBytes >= limits.logPageBytes) close()
      return addedBytes
    },
    close,
  }
}
