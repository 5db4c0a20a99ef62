/** Shared by the artifact actions: uploading, downloading, and logging the results. */
import { join } from 'node:path'
import pLimit from 'p-limit'
import { hasCode } from '../../core/errors.ts'
import type { ArtifactStore, DownloadRequest, ListedArtifact, UploadRequest } from '../artifacts.ts'
import { bounds } from '../bounds.ts'
import { StepFailure, type StepBody } from '../step/step-body.ts'
import type { Inputs } from './inputs.ts'

/** Returns the artifact store of this job. Errors: StepFailure when the run has none. */
export function artifactsOf(body: StepBody): ArtifactStore {
  const { artifacts } = body.job
  if (artifacts === undefined) throw new StepFailure('this run has no artifact store')
  return artifacts
}

/** Reads the inputs that upload and merge have in common. Errors: StepFailure. */
export function readUploadOptions(
  body: StepBody,
  inputs: Inputs,
): Pick<UploadRequest, 'retentionDays' | 'compressionLevel'> {
  const compressionLevel = inputs.integer('compression-level') ?? 6
  if (compressionLevel < 0 || compressionLevel > 9) {
    throw new StepFailure('Invalid compression-level. Valid values are 0-9')
  }
  const asked = inputs.integer('retention-days') ?? 0
  if (asked < 0) throw new StepFailure(`Invalid retention-days: ${asked} is less than 0`)
  if (asked === 0) return { retentionDays: undefined, compressionLevel }
  const daysMax = body.job.engine.facts.retentionDays
  if (asked <= daysMax) return { retentionDays: asked, compressionLevel }
  // GITHUB-PROTOCOL §7: the stock client lowers the value to GITHUB_RETENTION_DAYS and logs a
  // warning.
  const message = `Retention days are greater than the maximum value allowed. Using ${daysMax} days instead.`
  body.log.annotate({ level: 'warning', message })
  return { retentionDays: daysMax, compressionLevel }
}

/** Uploads, then sets the outputs of upload and merge. */
export async function uploadTo(
  store: ArtifactStore,
  body: StepBody,
  request: UploadRequest,
): Promise<void> {
  const { log } = body
  const uploaded = await store.upload(request).catch((error: unknown) => {
    if (!hasCode(error, 'name_taken')) throw error
    const advice =
      "Use a different name in each job of a matrix, or set 'overwrite: true' to replace it"
    throw new StepFailure(`This run already has an artifact '${request.name}'. ${advice}.`)
  })
  log.say(`Artifact ${request.name} has been successfully uploaded! Artifact ID is ${uploaded.id}`)
  if (uploaded.remark !== null) log.say(uploaded.remark)
  if (uploaded.digest !== null) log.say(`SHA256 digest of uploaded artifact is ${uploaded.digest}`)
  log.say(`Tree digest is ${uploaded.treeDigest}`)
  log.say(`Artifact download URL: ${uploaded.url}`)
  Object.assign(body.outputs, {
    'artifact-id': String(uploaded.id),
    'artifact-url': uploaded.url,
    'artifact-digest': uploaded.digest ?? '',
    'tree-digest': uploaded.treeDigest,
  })
}

/** Downloads into `directory` (isCommon) or into one subdirectory per artifact. Returns the names
 *  of artifacts whose content did not match its digest. */
export async function downloadAll(
  body: StepBody,
  artifacts: readonly ListedArtifact[],
  {
    directory,
    isCommon,
    ...how
  }: Pick<DownloadRequest, 'directory' | 'from' | 'keepArchive'> & { isCommon: boolean },
): Promise<string[]> {
  const store = artifactsOf(body)
  // Sequential in a common directory, so that the newest artifact wins when several hold the same
  // file.
  const limit = pLimit(isCommon ? 1 : bounds.downloadsMax)
  const mismatched: string[] = []
  const download = async (artifact: ListedArtifact): Promise<void> => {
    const { name } = artifact
    const target = isCommon ? directory : join(directory, name)
    const request = { ...how, artifact, directory: target, signal: body.stop }
    const { remark, digestMatches } = await store.download(request)
    if (remark !== null) body.log.say(`${name}: ${remark}`)
    if (!digestMatches) mismatched.push(name)
  }
  await Promise.all(artifacts.map((artifact) => limit(download, artifact)))
  return mismatched
}
