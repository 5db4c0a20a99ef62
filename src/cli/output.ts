/** What commands print: data on stdout, talk on stderr. Text of others is made harmless before a terminal sees it. */
import { turningMarks } from '../core/turning-marks.ts'

/** Resolves once the stream has taken the text. A reader that went away (`trove list | head`) ends the command; talk that
 *  nobody reads, or that cannot be kept, is no failure of what it is about. */
export async function write(
  stream: NodeJS.WritableStream,
  bytes: string | Uint8Array,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error === null || error === undefined || stream === process.stderr) resolve()
      else reject(error)
    })
  })
}

/** Resolves once the stream has taken all that was written, or its reader is gone. */
export async function flush(stream: NodeJS.WritableStream): Promise<void> {
  // What keeps a stream from taking text is told by its `error` event.
  await write(stream, '').catch(() => undefined)
}

/** Answers whether a stream wants its writer to wait, and if so, for how long: undefined while it takes more. */
export function createRoom(stream: NodeJS.WriteStream): () => Promise<void> | undefined {
  let room: Promise<void> | undefined
  return () => {
    if (room === undefined && stream.writableNeedDrain) {
      room = flush(stream).then(() => {
        room = undefined
      })
    }
    return room
  }
}

/** Writes many short texts, some tens of kilobytes at a time. */
export async function writeAll(
  stream: NodeJS.WritableStream,
  texts: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  let pending = ''
  for await (const text of texts) {
    pending += text
    if (pending.length < 65_536) continue
    await write(stream, pending)
    pending = ''
  }
  if (pending !== '') await write(stream, pending)
}

export async function writeJson(stream: NodeJS.WritableStream, value: unknown): Promise<void> {
  await write(stream, `${formatJson(value, 2)}\n`)
}

/** A JSON array, an element a line, without holding it. */
export async function* jsonArrayOf(
  items: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<string> {
  let before = '['
  for await (const item of items) {
    yield `${before}\n${formatJson(item)}`
    before = ','
  }
  yield before === '[' ? '[]\n' : '\n]\n'
}

/** `head`, and last of its fields `items`, which are not held. */
export async function* jsonWithItems(
  head: object,
  items: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<string> {
  yield `${formatJson(head, 2).slice(0, -2)},\n  "items": `
  yield* jsonArrayOf(items)
  yield '}\n'
}

export type Align = 'left' | 'right'

/** Rows under a header, columns padded; nothing at all for no rows. */
export function formatTable(header: string[], align: Align[], rows: string[][]): string {
  if (rows.length === 0) return ''
  const cells = [header, ...rows.map((row) => row.map(printable))]
  const widths = header.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  )
  const lines = cells.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return align[column] === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** What a terminal, or the log of a job, would follow in place of showing it: control characters, ends of lines, marks that turn
 *  the direction of text, and what makes a line a command to GitHub's runner (`::` at its start, `##[` anywhere) or to Azure's. */
const followed = new RegExp(
  String.raw`[\u0000-\u001f\u007f-\u009f\u2028\u2029]|(?<=^\s*):(?=:)|#(?=#(?:vso)?\[)|${turningMarks.source}`,
  'g',
)

/** Names in artifacts come from strangers. */
export function printable(text: string): string {
  return text.replaceAll(followed, '\ufffd')
}

/** JSON that says the same, and has none of that either. */
export function formatJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, null, indent)
  return json.replaceAll(followed, (each) =>
    each === '\n' ? each : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
