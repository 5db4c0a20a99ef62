/** Two lists of entries in `comparePaths` order, side by side. */
import { comparePaths } from './entry.ts'

/** Calls `pair` for each path of the two lists in order, until one list is used up; returns how
 *  many of each were paired. An empty list means that its tree has ended, and the other is then
 *  paired to its end. */
export function pairByPath<E extends { path: string }>(
  base: readonly E[],
  head: readonly E[],
  pair: (before: E | null, after: E | null) => void,
): { base: number; head: number } {
  let left = 0
  let right = 0
  const isOpen = (): boolean => {
    if (base.length === 0) return right < head.length
    if (head.length === 0) return left < base.length
    return left < base.length && right < head.length
  }
  while (isOpen()) {
    const before = base[left]
    const after = head[right]
    const order =
      before === undefined ? 1 : after === undefined ? -1 : comparePaths(before.path, after.path)
    pair(order <= 0 ? before! : null, order >= 0 ? after! : null)
    if (order <= 0) left += 1
    if (order >= 0) right += 1
  }
  return { base: left, head: right }
}
