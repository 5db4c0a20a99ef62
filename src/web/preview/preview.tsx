/** The preview of a file. Text, tables and trees are rendered as elements in a thread; the
 *  browser loads images, audio, video and documents from addresses that have their own content
 *  security policies. */
import { raw } from 'hono/html'
import { filePath } from '../../api/paths.ts'
import { baseName } from '../../core/manifest/entry.ts'
import { isOfPullRequest } from '../../core/run/run.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { contentOriginOf, contentPath } from '../artifact/content-origin.ts'
import type { Html } from '../parts/html.ts'
import { blobPath, withQuery } from '../paths.ts'
import type { PreviewTask } from '../rendering.tsx'
import {
  archiveBytesMax,
  type ArchiveListing,
  archiveMembersMax,
  type UnpackedMember,
} from './archive.ts'
import { type PreviewKind, previewKindOf, type StructuredKind, structuredKinds } from './kind.ts'
import { type PreviewRequest, readBytes } from './request.ts'
import { type Preview, reportBytesMax, textBytesMax, withoutSource } from './shown-file.ts'
import { type ReadFile, readZipDirectory, readZipMembers } from './zip-listing.ts'

const imageBytesMax = 20 * 1024 * 1024

export async function preview(request: PreviewRequest): Promise<Preview> {
  const { file } = request
  if (file.sizeBytes === 0) return emptyPreview
  if (request.asText) return await contentPreview(request, 'text')
  const kind = previewKindOf(file.path)
  switch (kind) {
    case 'image':
      return { shown: imagePreview(request), hasSource: isDrawing(file.path) }
    case 'audio':
    case 'video':
      return withoutSource(mediaPreview(request, kind))
    case 'pdf':
      return withoutSource(documentPreview(request, 'PDF'))
    case 'document':
      return { shown: documentPreview(request, 'HTML'), hasSource: true }
    default:
      return await contentPreview(request, kind)
  }
}

const emptyPreview = withoutSource(<p class="quiet">This file is empty.</p>)

function isDrawing(path: string): boolean {
  return /\.svg$/i.test(path)
}

function imagePreview({ artifact, file }: PreviewRequest): Html {
  if (file.sizeBytes > imageBytesMax)
    return (
      <p class="note">
        This image is too large to show here ({formatSizeBytes(file.sizeBytes)}).{' '}
        <a href={filePath(artifact.id, file.path)}>Raw</a>
      </p>
    )
  const name = baseName(file.path)
  // An SVG need not have any dimensions; browsers then make some up.
  const hasPixels = !isDrawing(name)
  return (
    <figure class={hasPixels ? 'picture' : 'picture drawing'}>
      <img
        src={filePath(artifact.id, file.path)}
        alt={name}
        data-dimensions={hasPixels || undefined}
      />
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

/** Shows HTML and PDF in a frame. Scripts run only on the content origin; without one, the page
 *  names the setting. */
function documentPreview(request: PreviewRequest, what: 'HTML' | 'PDF'): Html {
  const { artifact, file, signer } = request
  const { context } = request.web
  if (what === 'HTML' && isOfPullRequest(artifact) && !request.isConfirmed) {
    return <ConfirmFirst artifact={artifact} file={file} />
  }
  const place = { artifactId: artifact.id, path: file.path, signer, now: context.now() }
  const origin = contentOriginOf(context.config, artifact.id)
  const source = `${origin ?? ''}${contentPath(context.keys, place)}`
  // The document's own policy repeats this sandbox, for when it is opened outside the frame.
  const sandbox =
    origin === null
      ? ''
      : 'allow-scripts allow-popups allow-forms allow-modals allow-downloads allow-same-origin'
  return (
    <>
      {what === 'HTML' && origin === null && (
        <p class="note">
          Shown without scripts, because the server has no separate origin for content. To run the
          scripts of reports, set <code>TROVE_CONTENT_URL</code> on the server.
        </p>
      )}
      <iframe
        class="document"
        src={source}
        title={`${what} of ${file.path}`}
        sandbox={what === 'PDF' ? undefined : sandbox}
        referrerpolicy="no-referrer"
      ></iframe>
      <p>
        <a href={source} rel="noreferrer" target="_blank">
          Open in a new tab
        </a>
      </p>
    </>
  )
}

/** Untrusted HTML could imitate any page, including this one, so it is shown only on request. */
function ConfirmFirst({ artifact, file }: Pick<PreviewRequest, 'artifact' | 'file'>): Html {
  return (
    <p>
      <a class="button" href={withQuery(blobPath(artifact, file.path), { confirmed: '1' })}>
        Show untrusted page
      </a>
    </p>
  )
}

/** Renders the file's content in the rendering thread. A file that is not a zip despite its name
 *  is shown as text. */
async function contentPreview(
  { web, artifact, file, wantedBytes, signal }: PreviewRequest,
  kind: Exclude<PreviewTask['kind'], 'members'> | 'zip',
): Promise<Preview> {
  const read: ReadFile = async (start, end) =>
    await readBytes(web.context, { artifact, file }, start, Math.min(end, file.sizeBytes))
  const { markup, hasSource } = await web.renderer.render(async (): Promise<PreviewTask> => {
    const shown = { artifact, file, wantedBytes }
    const listing = kind === 'zip' ? await readListing(file.sizeBytes, read) : undefined
    if (listing !== undefined) return { kind: 'members', shown, listing }
    const bytes = await read(0, kind === 'tar' ? archiveBytesMax : contentBytesMax(kind))
    return { kind: kind === 'zip' ? 'text' : kind, shown, bytes }
  }, signal)
  return { shown: raw(markup), hasSource }
}

function contentBytesMax(kind: PreviewKind): number {
  return kind === 'xml' || kind === 'lcov' ? reportBytesMax : textBytesMax
}

/** The preview of a member of an archive, which is shown as text or as a structure. `path`: that of
 *  the archive and the member. */
export async function memberPreview(
  {
    web,
    artifact,
    wantedBytes,
    asText,
    signal,
  }: Omit<PreviewRequest, 'file' | 'isConfirmed' | 'signer'>,
  path: string,
  { bytes, sizeBytes }: UnpackedMember,
): Promise<Preview> {
  if (sizeBytes === 0) return emptyPreview
  const kind = asText ? 'text' : memberKindOf(path)
  const shown = { artifact, file: { path, sizeBytes }, wantedBytes, isMember: true }
  const { markup, hasSource } = await web.renderer.render(async (): Promise<PreviewTask> => {
    return { kind, shown, bytes: bytes.subarray(0, contentBytesMax(kind)) }
  }, signal)
  return { shown: raw(markup), hasSource }
}

function memberKindOf(path: string): 'text' | StructuredKind {
  const kind = previewKindOf(path)
  return structuredKinds.find((each) => each === kind) ?? 'text'
}

/** Returns the members of a zip; undefined if the file is not a zip. */
async function readListing(sizeBytes: number, read: ReadFile): Promise<ArchiveListing | undefined> {
  const directory = await readZipDirectory(sizeBytes, read)
  const members = directory && readZipMembers(directory.bytes, archiveMembersMax)
  return members && { members, total: directory.total, isWhole: true }
}
