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
  const ranges: { start: number; end: number }[] = []
  for (const [at, { kind }] of lines.entries()) {
    if (kind === 'same') continue
    const start = Math.max(0, at - context)
    const end = Math.min(lines.length, at + 1 + context)
    const last = ranges.at(-1)
    if (last === undefined || last.end < start) ranges.push({ start, end })
    else last.end = end
  }
  return ranges.map(({ start, end }, index) => ({
    lines: lines.slice(start, end),
    skipped: start - (ranges[index - 1]?.end ?? 0),
  }))
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
