/** Reads that begin before they are needed: a service far away responds to each after a while, but
 *  to many at once. */

/** Upper bounds on what is read before it is needed. */
const readsMax = 16
const bytesMax = 8 * 1024 * 1024

/** Begins reads in the order of `items`, and yields each with what comes of it. */
export function* readAhead<T>(
  items: Iterable<T>,
  sizeBytes: (item: T) => number,
  read: (item: T) => Promise<Buffer>,
): Generator<{ item: T; content: Promise<Buffer> }> {
  const begun: { item: T; content: Promise<Buffer> }[] = []
  let bytes = 0
  for (const item of items) {
    const content = read(item)
    // A rejection is that of the item, once it is its turn.
    content.catch(() => {})
    begun.push({ item, content })
    bytes += sizeBytes(item)
    while (begun.length > readsMax || bytes > bytesMax) {
      const next = begun.shift()!
      bytes -= sizeBytes(next.item)
      yield next
    }
  }
  yield* begun
}
