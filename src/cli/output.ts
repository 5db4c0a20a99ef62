/** What commands print: data on stdout, talk on stderr. Text of others is made harmless before a terminal sees it. */

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
  await write(stream, `${JSON.stringify(value, null, 2)}\n`)
}

/** A JSON array, an element a line, without holding it. */
export async function* jsonArrayOf(
  items: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<string> {
  let before = '['
  for await (const item of items) {
    yield `${before}\n${JSON.stringify(item)}`
    before = ','
  }
  yield before === '[' ? '[]\n' : '\n]\n'
}

/** `head`, and last of its fields `items`, which are not held. */
export async function* jsonWithItems(
  head: object,
  items: Iterable<unknown> | AsyncIterable<unknown>,
): AsyncGenerator<string> {
  yield `${JSON.stringify(head, null, 2).slice(0, -2)},\n  "items": `
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

/** Names in artifacts come from strangers; control characters in them could drive the terminal. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced.
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
}
