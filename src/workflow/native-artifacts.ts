/** The artifact store of a real run: a Trove server, through the native client, so that only changes travel. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'
import { artifactDetailSchema, type WireArtifact } from '../api/messages.ts'
import { archivePath, artifactPath, filePath, uploadPath } from '../api/paths.ts'
import { createClient, type Client } from '../client/client.ts'
import { openResponse, requestJson, type ServerAccess } from '../client/http.ts'
import { readEntries } from '../client/read-entries.ts'
import { hasCode } from '../core/errors.ts'
import { formatSizeBytes } from '../core/units.ts'
import type {
  ArtifactStore,
  DownloadedArtifact,
  DownloadRequest,
  OtherRun,
  UploadedArtifact,
  UploadRequest,
} from './artifacts.ts'

export interface NativeArtifactsOptions {
  /** Origin of the server, without a trailing slash. */
  url: string
  /** The job's own token. */
  token: string
  /** `owner/repo`. */
  project: string
  run: number
}

/** Threads that an upload or download works with; several jobs do so at once. */
const threads = 2

export function createNativeArtifacts({
  url,
  token,
  project,
  run,
}: NativeArtifactsOptions): ArtifactStore {
  const client = createClient({ url, token, cacheDir: null })
  const clientFor = (from: OtherRun | undefined): Client =>
    from === undefined ? client : createClient({ url, token: from.token, cacheDir: null })
  return {
    upload: async (request) =>
      request.archive
        ? await uploadTree(client, request, { project, run })
        : await uploadRaw(client.server, request, { project, run }),
    list: async (from) => {
      const of = { project: from?.repository ?? project, run: from?.runId ?? run }
      const newest = new Map<string, WireArtifact>()
      for await (const artifact of clientFor(from).list(of)) {
        if ((newest.get(artifact.name)?.id ?? 0) < artifact.id) newest.set(artifact.name, artifact)
      }
      return [...newest.values()].map((artifact) => ({
        id: artifact.id,
        name: artifact.name,
        sizeBytes: artifact.logicalBytes,
        digest: digestOfDownload(artifact),
      }))
    },
    download: async (request) => await download(clientFor(request.from), request),
    remove: async (name) => {
      for await (const artifact of client.list({ project, run, name })) {
        await client.remove(artifact.id)
        return true
      }
      return false
    },
  }
}

async function uploadTree(
  client: Client,
  request: UploadRequest,
  run: { project: string; run: number },
): Promise<UploadedArtifact> {
  const { name, files, compressionLevel, overwrite, retentionDays, signal } = request
  const sources = files.map(({ sourcePath, entryPath }) => ({
    absolutePath: sourcePath,
    entryPath,
  }))
  const { artifact, logicalBytes, sentBytes, reusedBytes } = await client.upload({
    ...run,
    name,
    overwrite,
    ...(retentionDays !== undefined && { retentionDays }),
    compressionLevel,
    source: { kind: 'files', files: sources },
    jobs: threads,
    signal,
  })
  const sizes = [logicalBytes, sentBytes, reusedBytes].map(formatSizeBytes)
  const remark = `${sizes[0]}, ${sizes[1]} sent, ${sizes[2]} not sent because the server or the tree had it already`
  return { ...uploadedOf(artifact), remark }
}

async function uploadRaw(
  server: ServerAccess,
  { name, files, retentionDays, overwrite, signal }: UploadRequest,
  { project, run }: { project: string; run: number },
): Promise<UploadedArtifact> {
  const [file, ...others] = files
  if (file === undefined || others.length > 0)
    throw new RangeError(`one file is kept as it is, got ${files.length}`)
  const request = {
    method: 'PUT' as const,
    path: uploadPath(project, run, name),
    query: { filename: name, retentionDays, overwrite },
    headers: { 'content-type': 'application/octet-stream' },
    body: () => createReadStream(file.sourcePath),
    signal,
  }
  return { ...uploadedOf(await requestJson(server, request, artifactDetailSchema)), remark: null }
}

function uploadedOf(artifact: WireArtifact): Omit<UploadedArtifact, 'remark'> {
  const { id, links, logicalBytes } = artifact
  return { id, url: links.html, digest: digestOfDownload(artifact), sizeBytes: logicalBytes }
}

/** Hex. A zip that nobody has asked for yet has not been made, so its digest is not known; the tree's tells the content. */
function digestOfDownload({ zipDigest, treeDigest }: WireArtifact): string {
  return (zipDigest ?? treeDigest).replace(/^sha256:/, '')
}

async function download(client: Client, request: DownloadRequest): Promise<DownloadedArtifact> {
  const { artifact, directory, keepArchive, signal } = request
  const detail = await requestJson(
    client.server,
    { path: artifactPath(artifact.id), signal },
    artifactDetailSchema,
  )
  if (keepArchive || detail.kind === 'opaque') {
    await downloadWhole(client.server, detail, request)
    return { digestMatches: true, remark: null }
  }
  try {
    const result = await client.download({
      artifact: detail,
      destination: directory,
      jobs: threads,
      signal,
    })
    const remark = `${formatSizeBytes(result.logicalBytes)}, ${formatSizeBytes(result.fetchedBytes)} fetched`
    return { digestMatches: true, remark }
  } catch (error) {
    if (hasCode(error, 'digest_mismatch') || hasCode(error, 'blob_damaged'))
      return { digestMatches: false, remark: error.message }
    throw error
  }
}

/** Writes the archive itself, or the one file of an artifact that never was an archive. */
async function downloadWhole(
  server: ServerAccess,
  detail: WireArtifact,
  { directory, signal }: DownloadRequest,
): Promise<void> {
  await mkdir(directory, { recursive: true })
  if (detail.kind === 'raw') {
    for await (const { path } of readEntries(server, detail.id, { under: '', signal })) {
      await saveResponse(server, filePath(detail.id, path), join(directory, detail.name), signal)
    }
    return
  }
  await saveResponse(
    server,
    archivePath(detail.id, 'zip'),
    join(directory, `${detail.name}.zip`),
    signal,
  )
}

async function saveResponse(
  server: ServerAccess,
  path: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const { body } = await openResponse(server, { path, signal })
  if (body === null) throw new TypeError(`${path} was answered without a body`)
  await pipeline(Readable.fromWeb(body as ReadableStream), createWriteStream(target), { signal })
}
