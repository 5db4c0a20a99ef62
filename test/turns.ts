/** In CI, where `CI` is set, properties and loops are tried as often as it takes to trust them; an everyday run, of which there
 *  are many, tries a fifth of that. */

/** The step of a loop over all bytes or the like. */
export const stride = process.env['CI'] === undefined ? 5 : 1

export function turns(inCi: number): number {
  return Math.ceil(inCi / stride)
}
