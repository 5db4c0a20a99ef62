/** A look at one file. Text, tables and trees are made here, element by element; pictures, sound, film and documents
 *  are loaded by the browser from addresses that have policies of their own. */
import type { Child } from 'hono/jsx'
import { filePath } from '../../api/paths.ts'
import { isOfPullRequest } from '../../core/run.ts'
import { formatSizeBytes } from '../../core/units.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { renderAll, takeFitting } from '../fitting.ts'
import { counted } from '../format.tsx'
import { contentOriginOf, contentPath } from '../content-origin.ts'
import type { Html } from '../html.ts'
import { blobPath, withQuery } from '../paths.ts'
import { looksLikeText } from './hex.ts'
import { JsonTree, parseFoldableJson, parseJsonLines } from './json.tsx'
import { previewKindOf } from './kind.ts'
import { type LinkTargets, markdownOf } from './markdown.tsx'
import { type PreviewRequest, readBytes, type StoredFile, textBytesMax } from './request.ts'
import { csvPreview, zipPreview } from './table-preview.tsx'
import { textPreview } from './text-preview.tsx'

const imageBytesMax = 20 * 1024 * 1024
const jsonLinesMax = 500

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
function documentPreview(request: PreviewRequest, what: string): Html {
  const { context, artifact, file } = request
  if (what === 'HTML' && isOfPullRequest(artifact) && !request.isConfirmed) {
    return <ConfirmFirst artifact={artifact} file={file} />
  }
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

/** A page can look like anything, this one too, so it is not shown unasked. */
function ConfirmFirst({ artifact, file }: Pick<PreviewRequest, 'artifact' | 'file'>): Html {
  return (
    <p>
      <a class="button" href={withQuery(blobPath(artifact, file.path), { confirmed: '1' })}>
        Show the page all the same
      </a>
    </p>
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
  if (kind === 'csv') return await csvPreview(request, text)
  const structure = structureOf(kind, text, linkTargets(artifact, file.path))
  if (structure === undefined) return undefined
  const { parts, frame } = structure
  if (request.wantedBytes > 0) return frame(await renderAll(parts, (part) => part))
  const { count, markup } = await takeFitting(parts, (part) => part)
  if (count === parts.length) return frame(markup)
  const query = { bytes: String(textBytesMax) }
  return (
    <>
      <p class="note">
        Shown as text, because it is large.{' '}
        <a href={withQuery(blobPath(artifact, file.path), query)}>
          Show it as {kind === 'markdown' ? 'a document' : 'a tree'}
        </a>
      </p>
      {await textPreview(request)}
    </>
  )
}

/** What is shown one after the other, and what is around that. */
interface Structure {
  parts: Child[]
  frame(parts: Child): Html
}

/** Undefined for what cannot be shown so. */
function structureOf(
  kind: 'markdown' | 'json' | 'jsonLines',
  text: string,
  targets: LinkTargets,
): Structure | undefined {
  switch (kind) {
    case 'markdown': {
      const parts = markdownOf(text, targets)
      return parts && { parts, frame: (blocks) => <div class="prose">{blocks}</div> }
    }
    case 'json': {
      const parsed = parseFoldableJson(text)
      if (parsed === undefined) return undefined
      return {
        parts: [<JsonTree value={parsed.value} />],
        frame: (tree) => <div class="json">{tree}</div>,
      }
    }
    case 'jsonLines': {
      const lines = parseJsonLines(text, jsonLinesMax)
      return lines && jsonLines(lines)
    }
  }
}

function jsonLines({ values, total }: { values: unknown[]; total: number }): Structure {
  return {
    parts: values.map((value) => (
      <li>
        <JsonTree value={value} depth={3} />
      </li>
    )),
    frame: (items) => (
      <>
        {total > values.length && (
          <p class="quiet">
            The first {values.length} of {counted(total, 'value')}.
          </p>
        )}
        <ol class="json">{items}</ol>
      </>
    ),
  }
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
