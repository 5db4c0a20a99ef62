/** Turns of the event loop for long computations of the main thread. */

const waiting: (() => void)[] = []

/** Resolves when it is the caller's turn: one caller at a time, with a look for arrived I/O between
 *  two of them. A `setImmediate` of each would run all of them before that look: six manifests that
 *  were listed at once held up other requests for 24 ms. */
export async function nextTurn(): Promise<void> {
  await new Promise<void>((resolve) => {
    if (waiting.push(resolve) === 1) setImmediate(passTurn)
  })
}

/** Maps a list, `itemsPerTurn` items in a turn: some milliseconds of work at most. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  itemsPerTurn: number,
  map: (item: Item) => Result | Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (const item of items) {
    if (results.length > 0 && results.length % itemsPerTurn === 0) await nextTurn()
    results.push(await map(item))
  }
  return results
}

function passTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(passTurn)
}
