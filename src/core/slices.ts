/** Long things in parts of bounded size. */

/** Cuts a list. */
export function* slicesOf<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let first = 0; first < items.length; first += size) yield items.slice(first, first + size)
}

/** Cuts a list of things that have bytes: a slice ends once it has `count` items or `bytes`
 *  bytes. */
export function* batchesOf<T>(
  items: readonly T[],
  sizeBytes: (item: T) => number,
  { count, bytes }: { count: number; bytes: number },
): Generator<T[]> {
  let batch: T[] = []
  let held = 0
  for (const item of items) {
    batch.push(item)
    held += sizeBytes(item)
    if (batch.length < count && held < bytes) continue
    yield batch
    batch = []
    held = 0
  }
  if (batch.length > 0) yield batch
}

/** Cuts a range of bytes that begins at 0. */
export function* pagesOf(
  totalBytes: number,
  pageBytes: number,
): Generator<{ at: number; lengthBytes: number }> {
  for (let at = 0; at < totalBytes; at += pageBytes)
    yield { at, lengthBytes: Math.min(pageBytes, totalBytes - at) }
}

/** Formats values, in texts of about 64 KiB. */
export async function* textsOf<Value>(
  values: Iterable<Value> | AsyncIterable<Value>,
  format: (value: Value) => string,
): AsyncGenerator<string, void, undefined> {
  let pending = ''
  for await (const value of values) {
    pending += format(value)
    if (pending.length < 65_536) continue
    yield pending
    pending = ''
  }
  if (pending !== '') yield pending
}

/** Cuts a list before each item that does not fit the group before it. */
export function* groupsOf<T>(
  items: readonly T[],
  fits: (group: readonly [T, ...T[]], item: T) => boolean,
): Generator<[T, ...T[]]> {
  let group: [T, ...T[]] | undefined
  for (const item of items) {
    if (group !== undefined && fits(group, item)) {
      group.push(item)
      continue
    }
    if (group !== undefined) yield group
    group = [item]
  }
  if (group !== undefined) yield group
}
