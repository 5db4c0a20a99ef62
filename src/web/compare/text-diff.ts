/** Line diff of two texts. The number of edits is bounded; texts that differ more get no diff. */
import { diffArrays } from 'diff'

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
  const runs = diffArrays(before, after, { maxEditLength: editsMax })
  if (runs === undefined) return undefined
  const lines: DiffLine[] = []
  let [earlier, later] = [0, 0]
  for (const { added, removed, value } of runs) {
    const kind = added ? 'added' : removed ? 'removed' : 'same'
    for (const text of value)
      lines.push({ kind, text, before: added ? null : ++earlier, after: removed ? null : ++later })
  }
  return lines
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
