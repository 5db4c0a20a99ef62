/** Renders the line-by-line diff of one file between two artifacts. */
import { counted } from '../../core/units.ts'
import type { Child } from 'hono/jsx'
import { longPartBytesMax, renderFitting } from '../fitting.ts'
import { cutText } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { hasEscapes, plainAnsiState, renderAnsiLine } from '../preview/ansi.tsx'
import { decodeText } from '../preview/text.ts'
import { diffLines, type DiffGroup, groupChanges, splitGroups } from './text-diff.ts'

export interface DiffTask {
  kind: 'diff'
  before: Uint8Array
  after: Uint8Array
  /** All of it; else as much as fits on a page. */
  all: boolean
}

export type RenderedDiff =
  /** `groups`: markup of table rows. `isAll`: no row is missing and no line is cut. */
  { kind: 'text'; groups: string; isAll: boolean } | { kind: 'none'; reason: string }

const contextLines = 3
/** Groups are split into pieces of this many lines; a page ends between two pieces. */
const linesPerPiece = 10
/** Longer lines are cut unless all is asked for, so that a piece always fits on a page. */
const lineCharactersMax = 1000

export async function renderDiff({ before, after, all }: DiffTask): Promise<RenderedDiff> {
  const [older, newer] = [decodeText(before), decodeText(after)]
  if (older === undefined || newer === undefined) {
    return { kind: 'none', reason: 'This file is not text.' }
  }
  const lines = diffLines(linesOf(older.text), linesOf(newer.text))
  if (lines === undefined)
    return { kind: 'none', reason: 'The two versions differ in too many lines to show.' }
  const pieces = splitGroups(groupChanges(lines, contextLines), linesPerPiece)
  const render = (group: DiffGroup): Html => <Group group={group} />
  const first = all ? pieces : pieces.map(cutLines)
  const fitting = await renderFitting(first, render, all ? Infinity : longPartBytesMax)
  const isAll =
    fitting.pieces.length === pieces.length && first.every((piece, at) => piece === pieces[at])
  return { kind: 'text', groups: fitting.pieces.join(''), isAll }
}

/** Renders ANSI colours. Each line starts uncoloured, since the line before it may not be shown. */
function shownText(text: string): Child {
  return hasEscapes(text) ? renderAnsiLine(text, plainAnsiState()) : text
}

/** Cuts long lines; returns the group itself if it has none. */
function cutLines(group: DiffGroup): DiffGroup {
  if (group.lines.every(({ text }) => text.length <= lineCharactersMax)) return group
  const lines = group.lines.map((line) => ({
    ...line,
    text: cutText(line.text, lineCharactersMax),
  }))
  return { ...group, lines }
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** The rows of one group, after a row that counts the skipped lines. */
function Group({ group: { lines, skipped } }: { group: DiffGroup }): Html {
  return (
    <tbody>
      {skipped > 0 && (
        <tr class="skipped">
          <td colspan={3}>{counted(skipped, 'unchanged line')}</td>
        </tr>
      )}
      {lines.map((line) => (
        <tr class={line.kind}>
          <td class="line-number">{line.before ?? ''}</td>
          <td class="line-number">{line.after ?? ''}</td>
          <td>
            <span class="sign">
              {line.kind === 'added' ? '+' : line.kind === 'removed' ? '−' : ' '}
            </span>
            {shownText(line.text)}
          </td>
        </tr>
      ))}
    </tbody>
  )
}
