/** Suggests what a mistyped word was meant to be. */

/** Upper bound on edits that still count as a typo. */
const slipsMax = 2

/** Returns `did you mean X?` for the nearest of `words`, with `prefix` before it; undefined when
 *  none is near. */
export function suggestion(
  typed: string,
  words: readonly string[],
  prefix = '',
): string | undefined {
  let nearest: { word: string; slips: number } | undefined
  for (const word of words) {
    const slips = word.startsWith(typed) && typed.length > 2 ? 1 : slipsBetween(typed, word)
    // Two edits can change all of a short word.
    const isNear = slips <= slipsMax && slips < word.length / 2
    if (isNear && slips < (nearest?.slips ?? Infinity)) nearest = { word, slips }
  }
  return nearest && `did you mean ${prefix}${nearest.word}?`
}

/** Number of letters added, omitted, changed, or swapped with their neighbour (optimal string
 *  alignment). */
function slipsBetween(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const own = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      own[column] = Math.min(
        above[column]! + 1,
        own[column - 1]! + 1,
        above[column - 1]! + (isSame ? 0 : 1),
        isSwap ? before[column - 2]! + 1 : Infinity,
      )
    }
    before = above
    above = own
  }
  return above[b.length]!
}
