/** The artifact store of a real run: a Trove server, accessed through the native client, so only
 *  changes are transferred. */
import { join } from 'node:path'
import { createClient, type Client, type UploadResult } from '../client/client.ts'
import { readArtifact } from '../client/find-artifact.ts'
import { onlyFile } from '../client/find-entry.ts'
import { readFile } from '../client/read-file.ts'
import { saveZip, uploadFile } from '../client/whole-artifact.ts'
import { saveAs } from '../client/files/save-as.ts'
import { parseArtifactName } from '../core/artifact.ts'
import { hasCode } from '../core/errors.ts'
import { makeDirectories } from '../make-directories.ts'
import type { HttpProxy } from '../core/http-proxy.ts'
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
  proxy?: HttpProxy | null
  /** The job's own token. */
  token: string
  /** `owner/repo`. */
  project: string
  run: number
  attempt: number
}

type WireArtifact = UploadResult['artifact']
type RunOfProject = Pick<NativeArtifactsOptions, 'project' | 'run'>

/** Threads per upload or download; several jobs transfer at once. */
const threads = 2

export function createNativeArtifacts({
  url,
  proxy = null,
  token,
  project,
  run,
  attempt,
}: NativeArtifactsOptions): ArtifactStore {
  // Job directories are new in every run, so a stat cache would never hit.
  const clientWith = (access: string): Client =>
    createClient({ url, proxy, token: access, cacheDir: null })
  const client = clientWith(token)
  const clientFor = (from: OtherRun | undefined): Client =>
    from === undefined ? client : clientWith(from.token)
  return {
    upload: async (request) =>
      request.archive
        ? await uploadTree(client, request, { project, run })
        : await uploadRaw(client, request, { project, run }),
    list: async (from) => {
      const of = { project: from?.repository ?? project, run: from?.runId ?? run }
      // A re-run of an attempt keeps its artifacts, whose ids may be lower than those of a later
      // attempt.
      const isOwn = (artifact: WireArtifact): boolean =>
        from === undefined && artifact.attempt === attempt
      const chosen = new Map<string, WireArtifact>()
      for await (const artifact of clientFor(from).list(of)) {
        // It becomes a directory, which a misbehaving server could place anywhere.
        parseArtifactName(artifact.name)
        const known = chosen.get(artifact.name)
        const order =
          known && (Number(isOwn(artifact)) - Number(isOwn(known)) || artifact.id - known.id)
        if (order === undefined || order > 0) chosen.set(artifact.name, artifact)
      }
      return [...chosen.values()].toSorted((a, b) => a.id - b.id)
    },
    download: async (request) => await download(clientFor(request.from), request),
    remove: async ({ id }) => await client.remove(id),
  }
}

async function uploadTree(
  client: Client,
  request: UploadRequest,
  run: RunOfProject,
): Promise<UploadedArtifact> {
  const { name, files, compressionLevel, overwrite, retentionDays, signal } = request
  const { artifact, logicalBytes, sentBytes, reusedBytes } = await client.upload({
    ...run,
    name,
    overwrite,
    ...(retentionDays !== undefined && { retentionDays }),
    compressionLevel,
    source: { kind: 'files', files },
    jobs: threads,
    signal,
  })
  const [logical, sent, reused] = [logicalBytes, sentBytes, reusedBytes].map(formatSizeBytes)
  const remark = `${logical}, ${sent} sent, ${reused} not sent (already on the server, or a duplicate)`
  // The zip of a tree is generated on download, so its digest is not known.
  const digest = artifact.zipDigest === null ? null : hexOf(artifact.zipDigest)
  return { ...uploadedOf(artifact), digest, remark }
}

async function uploadRaw(
  client: Client,
  request: UploadRequest,
  run: RunOfProject,
): Promise<UploadedArtifact> {
  const { name, files, retentionDays, overwrite, signal } = request
  const [file, ...others] = files
  if (file === undefined || others.length > 0)
    throw new RangeError(`an upload without an archive takes one file, got ${files.length}`)
  const artifact = await uploadFile(client.server, {
    ...run,
    name,
    sourcePath: file.absolutePath,
    retentionDays,
    overwrite,
    signal,
  })
  const { digest } = await onlyFile(client.server, artifact, signal)
  return { ...uploadedOf(artifact), digest: hexOf(digest), remark: null }
}

function hexOf(wireDigest: string): string {
  return wireDigest.replace(/^sha256:/, '')
}

function uploadedOf({
  id,
  links,
  treeDigest,
}: WireArtifact): Pick<UploadedArtifact, 'id' | 'url' | 'treeDigest'> {
  return { id, url: links.html, treeDigest }
}

async function download(client: Client, request: DownloadRequest): Promise<DownloadedArtifact> {
  const { artifact, directory, keepArchive, signal } = request
  const reference = { kind: 'id' as const, id: artifact.id }
  const detail = await readArtifact(client.server, reference, { project: null, signal })
  try {
    // A zip that could not be split into entries can only be downloaded as it is.
    if (keepArchive || detail.kind === 'opaque') {
      await saveWhole(client, detail, request)
      return { digestMatches: true, remark: null }
    }
    const result = await client.download({
      artifact: detail,
      destination: directory,
      jobs: threads,
      signal,
    })
    const remark = `${formatSizeBytes(result.logicalBytes)}, ${formatSizeBytes(result.fetchedBytes)} fetched`
    return { digestMatches: true, remark }
  } catch (error) {
    if (!hasCode(error, 'digest_mismatch', 'blob_damaged')) throw error
    return { digestMatches: false, remark: error.message }
  }
}

/** Writes the archive itself, or the file of an artifact that was uploaded without an archive.
 *  Errors: invalid_name (from a misbehaving server), and those of `saveAs` and `readFile`. */
async function saveWhole(
  client: Client,
  detail: WireArtifact,
  { directory, signal }: DownloadRequest,
): Promise<void> {
  const { server } = client
  const name = parseArtifactName(detail.name)
  makeDirectories(directory)
  if (detail.kind !== 'raw') {
    await saveZip(server, detail.id, { target: join(directory, `${name}.zip`), signal })
    return
  }
  const { path, digest } = await onlyFile(server, detail, signal)
  const bytes = readFile(server, { artifactId: detail.id, path, digest }, signal)
  await saveAs(join(directory, name), bytes, signal)
}
