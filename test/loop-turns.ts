/** Counts how often the event loop can serve others while something runs. */

/** Runs `work`; returns its result, and how often the event loop looked for I/O meanwhile. */
export async function countingTurns<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; turns: number }> {
  let turns = 0
  let isOver = false
  const look = (): void => {
    turns += 1
    if (!isOver) setImmediate(look)
  }
  setImmediate(look)
  try {
    return { result: await work(), turns }
  } finally {
    isOver = true
  }
}
