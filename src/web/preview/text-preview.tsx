/** Text as numbered lines that can be linked to; what is no text as rows of bytes. */
import type { Child } from 'hono/jsx'
import { filePath } from '../../api/paths.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { countFitting } from '../fitting.ts'
import type { Html } from '../html.ts'
import { blobPath, withQuery } from '../paths.ts'
import { hasEscapes, plainAnsiState, renderAnsiLine } from './ansi.tsx'
import { guessKind, hexRows, looksLikeText } from './hex.ts'
import { type PreviewRequest, readBytes, textBytesMax } from './request.ts'

const hexBytes = 1024
const sniffedBytes = 4096
const shownLinesMax = 50_000
/** Of one line, while the whole is not asked for: programs write files of a single one. */
const lineCharactersMax = 8192

/** As many lines as fit, or as many bytes as are asked for. */
export async function textPreview(request: PreviewRequest): Promise<Html> {
  const { artifact, file, wantedBytes } = request
  const readMax = wantedBytes === 0 ? textBytesMax : Math.min(textBytesMax, wantedBytes)
  const bytes = await readBytes(request, 0, Math.min(readMax, file.sizeBytes))
  if (!looksLikeText(bytes.subarray(0, sniffedBytes))) return <HexPreview bytes={bytes} />
  const texts = new TextDecoder().decode(bytes).split(/\r?\n/).slice(0, shownLinesMax)
  if (bytes.length === file.sizeBytes && texts.at(-1) === '') texts.pop()
  const isCut = wantedBytes === 0 && texts.some((text) => text.length > lineCharactersMax)
  const lines = coloured(isCut ? texts.map(cut) : texts)
  const fitting = wantedBytes === 0 ? await countFitting(lines, lineOf) : lines.length
  const shown = lines.slice(0, fitting)
  const isWhole = !isCut && fitting === lines.length && bytes.length === file.sizeBytes
  const shownBytes =
    fitting === lines.length && !isCut
      ? bytes.length
      : Buffer.byteLength(texts.slice(0, fitting).map(cut).join('\n'))
  const isAtEnd = wantedBytes >= textBytesMax || (isWhole && wantedBytes > 0)
  return (
    <>
      <div class="scroll code-frame" tabindex={0} role="region" aria-label="Content">
        <ol class="code" data-lines>
          {shown.map(lineOf)}
        </ol>
      </div>
      {!isWhole && (
        <p class="note" data-rest>
          The first {formatSizeBytes(shownBytes)} of {formatSizeBytes(file.sizeBytes)}.{' '}
          {!isAtEnd && (
            <a
              href={withQuery(blobPath(artifact, file.path), { bytes: String(textBytesMax) })}
              data-more
            >
              Show more
            </a>
          )}{' '}
          <a href={filePath(artifact.id, file.path)}>Raw</a>
        </p>
      )}
    </>
  )
}

function cut(text: string): string {
  return text.length > lineCharactersMax ? `${text.slice(0, lineCharactersMax)}…` : text
}

/** A log's colours go on from line to line. */
function coloured(texts: string[]): Child[] {
  if (!texts.some(hasEscapes)) return texts
  const state = plainAnsiState()
  return texts.map((text) => renderAnsiLine(text, state))
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

function HexPreview({ bytes }: { bytes: Buffer }): Html {
  const kind = guessKind(bytes)
  return (
    <>
      <p class="quiet">
        Not text{kind === undefined ? '' : `: ${kind}`}. The first{' '}
        {formatSizeBytes(Math.min(hexBytes, bytes.length))} of it:
      </p>
      <pre class="hex" tabindex={0}>
        {hexRows(bytes.subarray(0, hexBytes))
          .map(({ offset, bytes: row, text }) => `${offset}  ${row.padEnd(47)}  ${text}`)
          .join('\n')}
      </pre>
    </>
  )
}
