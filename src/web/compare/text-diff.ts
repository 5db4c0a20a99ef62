/** Line diff of two texts: Myers' greedy algorithm ("An O(ND) difference algorithm", 1986)
 *  between the common prefix and suffix. The number of edits is bounded; texts that differ more
 *  get no diff. */

export interface DiffLine {
  kind: 'same' | 'added' | 'removed'
  text: string
  /** Line numbers from 1; null on the side that lacks it. */
  before: number | null
  after: number | null
}

/** Upper bound of edits; a longer diff costs more time and memory than it is worth to a reader. */
const editsMax = 2000

/** Returns the lines of both texts in order; undefined if they differ in more than `editsMax`
 *  lines. */
export function diffLines(before: string[], after: string[]): DiffLine[] | undefined {
  const shortest = Math.min(before.length, after.length)
  let head = 0
  while (head < shortest && before[head] === after[head]) head++
  let tail = 0
  while (tail < shortest - head && before.at(-1 - tail) === after.at(-1 - tail)) tail++
  const a = before.slice(head, before.length - tail)
  const b = after.slice(head, after.length - tail)
  const trace = shortestEdits(a, b)
  if (trace === undefined) return undefined
  const lines: DiffLine[] = []
  for (let index = 0; index < head; index++) lines.push(same(before[index]!, index, index))
  for (const line of backtrack(trace, a, b, head)) lines.push(line)
  for (let index = tail; index > 0; index--)
    lines.push(same(before.at(-index)!, before.length - index, after.length - index))
  return lines
}

function same(text: string, before: number, after: number): DiffLine {
  return { kind: 'same', text, before: before + 1, after: after + 1 }
}

/** Returns the furthest reaching points for each number of edits; undefined beyond `editsMax`. */
function shortestEdits(a: string[], b: string[]): Int32Array[] | undefined {
  const most = a.length + b.length
  const trace: Int32Array[] = []
  let reach = new Int32Array(3)
  for (let edits = 0; edits <= Math.min(most, editsMax); edits++) {
    // Diagonal k is at index k + edits + 1, so that its neighbours are always within the array.
    const next = new Int32Array(2 * edits + 3)
    for (let k = -edits; k <= edits; k += 2) {
      const below = reach[k + 1 + edits] ?? 0
      const left = reach[k - 1 + edits] ?? 0
      const goesDown = k === -edits || (k !== edits && left < below)
      let x = edits === 0 ? 0 : goesDown ? below : left + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      next[k + edits + 1] = x
      if (x >= a.length && x - k >= b.length) return [...trace, next]
    }
    trace.push(next)
    reach = next
  }
  return undefined
}

function backtrack(trace: Int32Array[], a: string[], b: string[], offset: number): DiffLine[] {
  const lines: DiffLine[] = []
  let x = a.length
  let y = b.length
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const k = x - y
    const reach = trace[edits - 1]
    const below = reach?.[k + 1 + edits] ?? 0
    const left = reach?.[k - 1 + edits] ?? 0
    const goesDown = k === -edits || (k !== edits && left < below)
    const fromX = edits === 0 ? 0 : goesDown ? below : left
    const fromY = edits === 0 ? 0 : fromX - (goesDown ? k + 1 : k - 1)
    while (x > fromX && y > fromY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      x--
      y--
      lines.push(same(a[x]!, offset + x, offset + y))
    }
    if (edits === 0) break
    if (goesDown) {
      y--
      lines.push({ kind: 'added', text: b[y]!, before: null, after: offset + y + 1 })
    } else {
      x--
      lines.push({ kind: 'removed', text: a[x]!, before: offset + x + 1, after: null })
    }
  }
  return lines.reverse()
}

export interface DiffGroup {
  lines: DiffLine[]
  /** Number of equal lines omitted before the group. */
  skipped: number
}

/** Groups the changed lines, each group with up to `context` equal lines around it. */
export function groupChanges(lines: DiffLine[], context: number): DiffGroup[] {
  const groups: DiffGroup[] = []
  let shownTo = 0
  for (let at = 0; at < lines.length; at++) {
    if (lines[at]!.kind === 'same') continue
    const start = Math.max(shownTo, at - context)
    let end = at + 1
    for (let quiet = 0; end < lines.length && quiet <= 2 * context; end++)
      quiet = lines[end]!.kind === 'same' ? quiet + 1 : 0
    end = Math.min(lines.length, lastChange(lines, at, end) + 1 + context)
    groups.push({ lines: lines.slice(start, end), skipped: start - shownTo })
    shownTo = end
    at = end - 1
  }
  return groups
}

/** Splits groups into pieces of at most `linesMax` lines. */
export function splitGroups(groups: DiffGroup[], linesMax: number): DiffGroup[] {
  return groups.flatMap(({ lines, skipped }) =>
    Array.from({ length: Math.ceil(lines.length / linesMax) }, (_, index) => ({
      lines: lines.slice(index * linesMax, (index + 1) * linesMax),
      skipped: index === 0 ? skipped : 0,
    })),
  )
}

function lastChange(lines: DiffLine[], from: number, to: number): number {
  for (let at = to - 1; at > from; at--) if (lines[at]!.kind !== 'same') return at
  return from
}
