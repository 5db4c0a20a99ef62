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

function passTurn(): void {
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(passTurn)
}
