/** Fuzzy matching of paths: a match contains all typed characters in order. Characters that are
 *  close together and near the end of the path rank first. */

export interface Match {
  path: string
  score: number
}

/** Scores a match; undefined if `path` does not contain the characters in order. Both must be in
 *  lower case. */
function scoreOf(path: string, typed: string): number | undefined {
  const whole = path.lastIndexOf(typed)
  const name = path.lastIndexOf('/') + 1
  if (whole >= 0) return 1000 - path.length + (whole >= name ? 500 : 0) + (whole === name ? 200 : 0)
  let at = path.length
  let gaps = 0
  for (let index = typed.length - 1; index >= 0; index--) {
    const found = path.lastIndexOf(typed[index]!, at - 1)
    if (found === -1 || at === 0) return undefined
    gaps += at - 1 - found
    at = found
  }
  return -gaps - path.length / 100
}

/** Returns at most `limit` matches, best first. Spaces between words need not be in the path. */
export function bestMatches(paths: readonly string[], typed: string, limit: number): string[] {
  const wanted = typed.toLowerCase()
  const joined = wanted.replaceAll(/\s+/g, '')
  const best: Match[] = []
  for (const path of paths) {
    const lower = path.toLowerCase()
    const score = scoreOf(lower, wanted) ?? scoreOf(lower, joined)
    if (score === undefined) continue
    const worst = best.at(-1)
    if (best.length === limit && worst !== undefined && score <= worst.score) continue
    const place = best.findIndex((match) => match.score < score)
    best.splice(place === -1 ? best.length : place, 0, { path, score })
    if (best.length > limit) best.pop()
  }
  return best.map(({ path }) => path)
}
