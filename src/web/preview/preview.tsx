/** A look at one file. Text, tables and trees are made here, element by element; pictures, sound, film and documents
 *  are loaded by the browser from addresses that have policies of their own. */
import { filePath } from '../../api/paths.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { representFile } from '../../egress/egress.ts'
import type { AppContext } from '../../http/context.ts'
import type { Artifact, StoredEntry } from '../../metadata/metadata.ts'
import { contentOriginOf, contentPath } from '../content-origin.ts'
import type { Html } from '../html.ts'
import { blobPath, withQuery } from '../paths.ts'
import { hasEscapes, plainAnsiState, renderAnsiLine } from './ansi.tsx'
import { parseCsv } from './csv.ts'
import { guessKind, hexRows, looksLikeText } from './hex.ts'
import { JsonTree, parseFoldableJson, parseJsonLines } from './json.tsx'
import { previewKindOf } from './kind.ts'
import { type LinkTargets, Markdown } from './markdown.tsx'
import { listZipMembers, zipTailBytesMax } from './zip-listing.ts'

export type StoredFile = Extract<StoredEntry, { kind: 'file' }>

export interface PreviewRequest {
  context: AppContext
  artifact: Artifact
  file: StoredFile
  /** Shows markup, tables and trees as the text they are. */
  asText: boolean
  /** How many bytes of text to show, bounded by `textBytesMax`. */
  wantedBytes: number
}

/** Text up to this size is shown whole; of more, the head and a way to more. */
const textBytesMax = 1024 * 1024
const textHeadBytes: number = 64 * 1024
const imageBytesMax = 20 * 1024 * 1024
const csvRowsMax = 1000
const zipMembersMax = 1000
const hexBytes = 1024
const sniffedBytes = 4096
const shownLinesMax = 20_000

export async function preview(request: PreviewRequest): Promise<Html> {
  const { file } = request
  if (file.sizeBytes === 0) return <p class="quiet">The file is empty.</p>
  const kind = previewKindOf(file.path)
  if (request.asText) return await textPreview(request)
  switch (kind) {
    case 'image':
      return imagePreview(request)
    case 'audio':
    case 'video':
      return mediaPreview(request, kind)
    case 'pdf':
      return documentPreview(request, 'PDF')
    case 'document':
      return documentPreview(request, 'HTML')
    case 'zip':
      return (await zipPreview(request)) ?? (await textPreview(request))
    case 'markdown':
    case 'json':
    case 'jsonLines':
    case 'csv':
      return (await structuredPreview(request, kind)) ?? (await textPreview(request))
    case 'text':
      return await textPreview(request)
  }
}

/** Kinds that can also be read as text. */
export function hasTextForm(path: string): boolean {
  return (
    /^(document|markdown|json|jsonLines|csv)$/.test(previewKindOf(path)) || /\.svg$/i.test(path)
  )
}

function imagePreview({ artifact, file }: PreviewRequest): Html {
  if (file.sizeBytes > imageBytesMax)
    return <TooBig file={file} artifact={artifact} what="picture" />
  const name = file.path.slice(file.path.lastIndexOf('/') + 1)
  return (
    <figure class="picture">
      <img src={filePath(artifact.id, file.path)} alt={name} data-dimensions />
      <figcaption class="quiet">{name}</figcaption>
    </figure>
  )
}

function mediaPreview({ artifact, file }: PreviewRequest, kind: 'audio' | 'video'): Html {
  const source = filePath(artifact.id, file.path)
  return kind === 'audio' ? (
    <audio controls preload="metadata" src={source}></audio>
  ) : (
    <video controls preload="metadata" src={source}></video>
  )
}

/** HTML and PDF in a frame. Scripts run only on the content origin; without one, the page says which setting it takes. */
function documentPreview({ context, artifact, file }: PreviewRequest, what: string): Html {
  const place = { artifactId: artifact.id, path: file.path, now: context.now() }
  const origin = contentOriginOf(context.config, artifact.id)
  const source = `${origin ?? ''}${contentPath(context.keys, place)}`
  const isActive = what === 'HTML' && origin !== null
  return (
    <>
      {what === 'HTML' && origin === null && (
        <p class="note">
          Shown without scripts, because the server has no separate origin for content. A report
          that needs scripts works once <code>TROVE_CONTENT_URL</code> names one.
        </p>
      )}
      <iframe
        class="document"
        src={source}
        title={`${what} of ${file.path}`}
        sandbox={what === 'PDF' ? undefined : sandboxOf(isActive)}
        referrerpolicy="no-referrer"
      ></iframe>
      <p>
        <a href={source} rel="noreferrer" target="_blank">
          Open on its own
        </a>
      </p>
    </>
  )
}

/** The frame's own bounds; the document's policy repeats them, for when it is opened on its own. */
function sandboxOf(isActive: boolean): string {
  return isActive
    ? 'allow-scripts allow-popups allow-forms allow-modals allow-downloads allow-same-origin'
    : ''
}

async function structuredPreview(
  request: PreviewRequest,
  kind: 'markdown' | 'json' | 'jsonLines' | 'csv',
): Promise<Html | undefined> {
  const { artifact, file } = request
  if (file.sizeBytes > textBytesMax) return undefined
  const bytes = await readBytes(request, 0, file.sizeBytes)
  if (!looksLikeText(bytes)) return undefined
  const text = new TextDecoder().decode(bytes)
  switch (kind) {
    case 'markdown':
      return <Markdown text={text} targets={linkTargets(artifact, file.path)} />
    case 'json': {
      const parsed = parseFoldableJson(text)
      return parsed && <div class="json">{<JsonTree value={parsed.value} />}</div>
    }
    case 'jsonLines': {
      const values = parseJsonLines(text, 500)
      return values && <JsonLines values={values} />
    }
    case 'csv':
      return (
        <CsvPreview text={text} separator={file.path.toLowerCase().endsWith('.tsv') ? '\t' : ','} />
      )
  }
}

function JsonLines({ values }: { values: unknown[] }) {
  return (
    <ol class="json">
      {values.map((value) => (
        <li>
          <JsonTree value={value} depth={3} />
        </li>
      ))}
    </ol>
  )
}

function CsvPreview({ text, separator }: { text: string; separator: string }) {
  const { rows, complete } = parseCsv(text, { separator, rowsMax: csvRowsMax + 1 })
  const [head = [], ...body] = rows
  return (
    <div class="scroll" tabindex={0} role="region" aria-label="Table">
      <table>
        <caption>
          {body.length.toLocaleString('en')} rows{complete ? '' : ', the first of more'}
        </caption>
        <thead>
          <tr>
            {head.map((cell) => (
              <th scope="col">{cell}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {body.map((row) => (
            <tr>
              {row.map((cell) => (
                <td>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

async function zipPreview(request: PreviewRequest): Promise<Html | undefined> {
  const { sizeBytes } = request.file
  const tail = await readBytes(request, Math.max(0, sizeBytes - zipTailBytesMax), sizeBytes)
  const listing = listZipMembers(tail, sizeBytes, zipMembersMax)
  if (listing === undefined) return undefined
  return (
    <div class="scroll" tabindex={0} role="region" aria-label="Members of the archive">
      <table class="rows">
        <caption>
          {listing.total.toLocaleString('en')} members
          {listing.total > listing.members.length ? ', the first of them here' : ''}
        </caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="number">
              Packed
            </th>
          </tr>
        </thead>
        <tbody>
          {listing.members.map((member) => (
            <tr>
              <th scope="row">{member.name}</th>
              <td class="number">{formatSizeBytes(member.sizeBytes)}</td>
              <td class="number">{formatSizeBytes(member.packedBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

async function textPreview(request: PreviewRequest): Promise<Html> {
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

function TooBig({ artifact, file, what }: { artifact: Artifact; file: StoredFile; what: string }) {
  return (
    <p class="note">
      The {what} has {formatSizeBytes(file.sizeBytes)}, too much to show here.{' '}
      <a href={filePath(artifact.id, file.path)}>Raw</a>
    </p>
  )
}

/** Relative links of a text lead to pages of the same artifact, its pictures to its files. */
function linkTargets(artifact: Artifact, path: string): LinkTargets {
  const directory = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : ''
  const resolve = (relative: string): string | undefined => resolveBelow(directory, relative)
  return {
    page: (relative) => {
      const target = resolve(relative)
      return target === undefined ? undefined : blobPath(artifact, target)
    },
    raw: (relative) => {
      const target = resolve(relative)
      return target === undefined ? undefined : filePath(artifact.id, target)
    },
  }
}

/** Undefined for what climbs out of the artifact, or names the root itself. */
function resolveBelow(directory: string, relative: string): string | undefined {
  const segments = relative.startsWith('/') || directory === '' ? [] : directory.split('/')
  for (const segment of relative.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (segments.pop() === undefined) return undefined
    } else {
      segments.push(segment)
    }
  }
  return segments.length === 0 ? undefined : segments.join('/')
}

/** Bytes of the file in memory. Errors: blob_damaged. */
export async function readBytes(
  { context, artifact, file }: Pick<PreviewRequest, 'context' | 'artifact' | 'file'>,
  start: number,
  end: number,
): Promise<Buffer> {
  const representation = await representFile(context, artifact, file)
  await representation.verifyReadable()
  const pieces: Buffer[] = []
  for await (const piece of representation.read(start, end)) pieces.push(piece)
  return Buffer.concat(pieces)
}
