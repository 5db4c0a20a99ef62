/** Preview of text as numbered lines with links, and of binary files as a hex dump. */
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { filePath } from '../../api/paths.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { renderFitting } from '../fitting.ts'
import { cutText } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { hasEscapes, plainAnsiState, renderAnsiLine } from './ansi.tsx'
import { guessKind, hexDump } from './hex.ts'
import { previewBytesMax, type ShownFile, textBytesMax, wholePath } from './shown-file.ts'
import { decodeText, encodedBytes } from './text.ts'

const hexBytes = 1024
const sniffedBytes = 4096
const shownLinesMax = 50_000
/** Longer lines are cut until "Show more", since programs write files of a single line. */
const lineCharactersMax = 8192

/** Shows as many lines as fit on a page, or `wantedBytes`. */
export async function textPreview(shown: ShownFile, all: Uint8Array): Promise<Html> {
  const { artifact, file, wantedBytes, isMember = false } = shown
  const bytes = wantedBytes === 0 ? all : all.subarray(0, wantedBytes)
  const decoded = decodeText(bytes, sniffedBytes)
  if (decoded === undefined) return <HexPreview bytes={bytes} />
  const isRead = bytes.length === file.sizeBytes
  const { text, encoding } = decoded
  const whole = (isRead ? text.replace(/\r?\n$/, '') : text).split(/\r?\n/, shownLinesMax + 1)
  const lines = whole
    .slice(0, shownLinesMax)
    .map((line) => (wantedBytes === 0 ? cutText(line, lineCharactersMax) : line))
  const render = lineRenderer(hasEscapes(text))
  const { pieces } = await renderFitting(lines, render, previewBytesMax(shown))
  const count = pieces.length
  const isAll = count === whole.length && lines.every((line, at) => line === whole[at])
  const shownBytes = isAll ? bytes.length : encodedBytes(lines.slice(0, count).join('\n'), encoding)
  const isAtEnd = wantedBytes >= textBytesMax
  return (
    <>
      {encoding === 'windows-1252' && (
        <p class="quiet">Not UTF-8: shown as Windows-1252, of which ISO 8859-1 is a part.</p>
      )}
      <div class="scroll code-frame" tabindex={0} role="region" aria-label="Content">
        <ol class="code" data-lines>
          {raw(pieces.join(''))}
        </ol>
      </div>
      {!(isAll && isRead) && (
        <p class="note" data-rest>
          Showing the first {formatSizeBytes(shownBytes)} of {formatSizeBytes(file.sizeBytes)}.{' '}
          {!isAtEnd && (
            <a href={wholePath(shown)} data-more>
              Show more
            </a>
          )}{' '}
          {!isMember && <a href={filePath(artifact.id, file.path)}>Raw</a>}
        </p>
      )}
    </>
  )
}

/** Returns a function that renders the lines in order, from the first: colours continue from
 *  line to line. */
function lineRenderer(isColoured: boolean): (text: string, index: number) => Html {
  const state = plainAnsiState()
  return (text, index) => lineOf(isColoured ? renderAnsiLine(text, state) : text, index)
}

function lineOf(line: Child, index: number): Html {
  const number = index + 1
  return (
    <li id={`L${number}`}>
      <a href={`#L${number}`} tabindex={-1}>
        {number}
      </a>
      <span>{line}</span>
    </li>
  )
}

function HexPreview({ bytes }: { bytes: Uint8Array }): Html {
  const kind = guessKind(bytes)
  return (
    <>
      <p class="quiet">
        Not text{kind === undefined ? '' : `: ${kind}`}. The first{' '}
        {formatSizeBytes(Math.min(hexBytes, bytes.length))}:
      </p>
      <pre class="hex" tabindex={0}>
        {hexDump(bytes.subarray(0, hexBytes))}
      </pre>
    </>
  )
}
