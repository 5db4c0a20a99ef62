/** Output of commands: data on stdout, messages on stderr. Untrusted text is made harmless
 *  before a terminal sees it. */
import { asWriteError } from '../../client/files/file-error.ts'
import { bidiControls } from '../../core/bidi-controls.ts'
import { textsOf } from '../../core/slices.ts'
import { hasErrno } from '../../core/errors.ts'

/** Resolves when the stream has taken the text, or the bytes unchanged. Text is made harmless: even
 *  a number in it may be what a hostile server sent instead. Rejects on stdout when its reader is
 *  gone (`trove list | head`); a message that cannot be written to stderr is no failure. */
export async function write(
  stream: NodeJS.WritableStream,
  bytes: string | Uint8Array,
): Promise<void> {
  const output = typeof bytes === 'string' ? bytes.replaceAll(activeInText, '\ufffd') : bytes
  await new Promise<void>((resolve, reject) => {
    stream.write(output, (error) => {
      if (error === null || error === undefined || stream === process.stderr) resolve()
      else reject(stdoutError(error))
    })
  })
}

/** Names the output, whose errors say only what failed (`write`). */
export function stdoutError(error: Error): unknown {
  return isReaderGone(error) ? error : asWriteError('stdout', error)
}

export function isReaderGone(error: unknown): boolean {
  return hasErrno(error, 'EPIPE')
}

/** Waits for `writing`, but not for a reader that is gone: for commands whose exit status is a
 *  verdict, which must not depend on who reads the output (`trove verify 42/build | head`). */
export async function unlessUnread(writing: Promise<void>): Promise<void> {
  await writing.catch((error: unknown) => {
    if (!isReaderGone(error)) throw error
  })
}

/** Resolves when the stream has taken everything written, or its reader is gone. */
export async function flush(stream: NodeJS.WritableStream): Promise<void> {
  // A failure of the stream is reported by its `error` event.
  await write(stream, '').catch(() => undefined)
}

/** Returns a function that returns a promise to wait for while the stream is full, and undefined
 *  while it accepts more. */
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

/** Writes many short texts in batches of some tens of kilobytes. */
export async function writeAll(
  stream: NodeJS.WritableStream,
  texts: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  for await (const batch of textsOf(texts, String)) await write(stream, batch)
}

/** As `writeAll`, but writes the texts unchanged, for programs that read them. */
export async function writeAllRaw(
  stream: NodeJS.WritableStream,
  texts: Iterable<string> | AsyncIterable<string>,
): Promise<void> {
  for await (const batch of textsOf(texts, String)) await write(stream, Buffer.from(batch))
}

export async function writeJson(stream: NodeJS.WritableStream, value: unknown): Promise<void> {
  await write(stream, `${formatJson(value, 2)}\n`)
}

/** Writes the result of a command, as JSON or as text. */
export async function writeResult<Value>(
  stdout: NodeJS.WritableStream,
  { json }: { json: boolean },
  value: Value,
  format: (value: Value) => string,
): Promise<void> {
  await (json ? writeJson(stdout, value) : write(stdout, format(value)))
}

/** Streams a JSON array, one element per line. */
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

/** Streams the JSON object `head` with `items` as its last field. */
export async function* jsonWithItems(
  head: object,
  items: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<string> {
  yield `${formatJson(head, 2).slice(0, -2)},\n  "items": `
  yield* jsonArrayOf(items)
  yield '}\n'
}

/** A column of a table: its title, and the cell of each item. */
export type Column<Item> = [title: string, cell: (item: Item) => string, align?: 'right']

/** Formats items under a header, with padded columns; returns an empty string for no items. */
export function formatTable<Item>(items: readonly Item[], columns: Column<Item>[]): string {
  if (items.length === 0) return ''
  const padded = columns.map(([title, cell, align]) => {
    const cells = [title, ...items.map((item) => printable(cell(item)))]
    // Not Math.max of a spread, which overflows the stack with some 120,000 rows.
    const widths = cells.map(columnsOf)
    const width = widths.reduce((widest, own) => Math.max(widest, own), 0)
    return cells.map((text, row) => {
      const pad = ' '.repeat(width - widths[row]!)
      return align === 'right' ? pad + text : text + pad
    })
  })
  const lines = [0, ...items.keys()].map((_, row) => padded.map((cells) => cells[row]).join('  '))
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

/** Says on stderr which items of a longer list are shown, such as `the newest 20`. */
export async function writeCut(stderr: NodeJS.WritableStream, which: string): Promise<void> {
  await write(stderr, `showing ${which}; use --limit to show more\n`)
}

const wide =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{Emoji_Presentation}\u3000-\u303e\u30fc\uff01-\uff60\uffe0-\uffe6]/u

/** Columns that a terminal takes to show a text: wide characters take two, marks none. */
function columnsOf(text: string): number {
  if (/^[\u0020-\u007e]*$/.test(text)) return text.length
  let columns = 0
  for (const character of text)
    columns += /\p{M}|\p{Cf}/u.test(character) ? 0 : wide.test(character) ? 2 : 1
  return columns
}

/** Characters that a terminal or a job's log would act on instead of showing: control
 *  characters, line ends, marks that change text direction, and sequences that make a line a
 *  command to GitHub's runner (`::` at its start, `##[` anywhere) or to Azure's. */
const active = new RegExp(
  String.raw`[\u0000-\u001f\u007f-\u009f\u2028\u2029]|(?<=^\s*):(?=:)|#(?=#(?:vso)?\[)|${bidiControls.source}`,
  'g',
)

/** The same in a text of lines. */
const activeInText = new RegExp(
  active.source.replace(String.raw`\u0000-\u001f`, String.raw`\u0000-\u0008\u000b-\u001f`),
  'gm',
)

/** Makes untrusted text safe to print; names in artifacts are chosen by others. */
export function printable(text: string): string {
  return text.replaceAll(active, '\ufffd')
}

/** Formats JSON with such characters escaped. */
export function formatJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, null, indent)
  return json.replaceAll(active, (each) =>
    each === '\n' ? each : `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
