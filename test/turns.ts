/** Iteration counts of properties and loops: the full count in CI (`CI` is set), a fifth of it
 *  in everyday runs. */

/** Step of loops, such as those over all bytes of an input. */
export const stride = process.env['CI'] === undefined ? 5 : 1

export function turns(inCi: number): number {
  return Math.ceil(inCi / stride)
}
