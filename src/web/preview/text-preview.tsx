/** Text as numbered lines that can be linked to; what is no text as rows of bytes. */
import { filePath } from '../../api/paths.ts'
import { formatSizeBytes } from '../../core/units.ts'
import type { Html } from '../html.ts'
import { blobPath, withQuery } from '../paths.ts'
import { hasEscapes, plainAnsiState, renderAnsiLine } from './ansi.tsx'
import { guessKind, hexRows, looksLikeText } from './hex.ts'
import { type PreviewRequest, readBytes, textBytesMax } from './request.ts'

/** Of text beyond `textBytesMax` the head, and a way to more. */
const textHeadBytes: number = 64 * 1024
const hexBytes = 1024
const sniffedBytes = 4096
const shownLinesMax = 20_000

export async function textPreview(request: PreviewRequest): Promise<Html> {
  const { artifact, file, wantedBytes } = request
  const limit = Math.max(textHeadBytes, Math.min(textBytesMax, wantedBytes))
  const shownBytes = file.sizeBytes <= textBytesMax && wantedBytes === 0 ? file.sizeBytes : limit
  const bytes = await readBytes(request, 0, Math.min(shownBytes, file.sizeBytes))
  if (!looksLikeText(bytes.subarray(0, sniffedBytes))) return <HexPreview bytes={bytes} />
  const isWhole = bytes.length === file.sizeBytes
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/)
  if (isWhole && lines.at(-1) === '') lines.pop()
  const more = Math.min(textBytesMax, limit * 4)
  return (
    <>
      <Lines lines={lines.slice(0, shownLinesMax)} />
      {!isWhole && (
        <p class="note">
          The first {formatSizeBytes(bytes.length)} of {formatSizeBytes(file.sizeBytes)}.{' '}
          {bytes.length < textBytesMax && (
            <a href={withQuery(blobPath(artifact, file.path), { bytes: String(more) })}>
              Show more
            </a>
          )}{' '}
          <a href={filePath(artifact.id, file.path)}>Raw</a>
        </p>
      )}
    </>
  )
}

/** Numbered lines that can be linked to. A log's colours go on from line to line. */
function Lines({ lines }: { lines: string[] }): Html {
  const state = plainAnsiState()
  const isColoured = lines.some(hasEscapes)
  return (
    <div class="scroll code-frame" tabindex={0} role="region" aria-label="Content">
      <ol class="code" data-lines>
        {lines.map((text, index) => (
          <li id={`L${index + 1}`}>
            <a href={`#L${index + 1}`} tabindex={-1} aria-label={`Line ${index + 1}`}></a>
            <span>{isColoured ? renderAnsiLine(text, state) : text}</span>
          </li>
        ))}
      </ol>
    </div>
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
