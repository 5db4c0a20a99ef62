/** What `trove upload` says about a finished upload. */
import type { SecretInFile, UploadResult } from '../../client/client.ts'
import type { ClientConfig } from '../../config/client-config.ts'
import { whyKept } from '../../core/policy/explanation.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { expiryCell } from './expiry-cell.ts'
import { writeOutputs, writeSummary } from './job-report.ts'
import { printable } from './output.ts'
import { lifeOf } from './unmet-wishes.ts'

/** Hidden files and directories that were left out. */
export interface HiddenPaths {
  count: number
  /** That which was found first. */
  first: string
}

export function uploadJson(
  { artifact, ...result }: UploadResult,
  { secrets, hidden }: { secrets: readonly SecretInFile[]; hidden: HiddenPaths },
): Record<string, unknown> {
  return {
    artifactId: artifact.id,
    name: artifact.name,
    files: result.files,
    logicalBytes: result.logicalBytes,
    sentBytes: result.sentBytes,
    reusedBytes: result.reusedBytes,
    treeDigest: artifact.treeDigest,
    zipDigest: artifact.zipDigest,
    expiresAt: artifact.expiresAt,
    url: artifact.links.html,
    secrets,
    hiddenPaths: hidden.count,
  }
}

export function describeUpload(result: UploadResult, elapsedMs: number): string {
  const { artifact, files, logicalBytes, sentBytes, reusedBytes } = result
  // Of a tiny tree the list of its files is longer than the files.
  const share =
    logicalBytes === 0 || sentBytes > logicalBytes
      ? ''
      : ` (${((sentBytes / logicalBytes) * 100).toFixed(1)} %)`
  const compressed = Math.max(0, logicalBytes - reusedBytes - sentBytes)
  const ending =
    whyKept(artifact) ?? `expires ${artifact.expiresAt.slice(0, 10)} (${lifeOf(artifact)})`
  return [
    `${printable(artifact.name)}  ${counted(files, 'file')}  ${formatSizeBytes(logicalBytes)}  ` +
      `sent ${formatSizeBytes(sentBytes)}${share}  ` +
      `saved: ${formatSizeBytes(reusedBytes)} unchanged, ${formatSizeBytes(compressed)} compression  ` +
      `${(elapsedMs / 1000).toFixed(1)} s`,
    `  tree ${artifact.treeDigest}  ${ending}`,
    `  ${artifact.links.html}${result.created ? '' : '  (already uploaded)'}`,
    '',
  ].join('\n')
}

/** What a user misses most often: hidden files are left out unless asked for. */
export function describeHidden({ count, first }: HiddenPaths): string {
  if (count === 0) return ''
  const more = count === 1 ? '' : ` and ${counted(count - 1, 'more hidden path')}`
  return `  left out: ${printable(first)}${more} (--include-hidden adds them)\n`
}

/** Sets the outputs of the job, and adds the upload to its summary. */
export async function reportUpload(config: ClientConfig, result: UploadResult): Promise<void> {
  const { artifact } = result
  await writeOutputs(config, {
    'artifact-id': String(artifact.id),
    'artifact-url': artifact.links.html,
    'artifact-digest': artifact.zipDigest ?? '',
    'tree-digest': artifact.treeDigest,
  })
  await writeSummary(config, `Artifact ${artifact.name}`, [
    ['files', String(result.files)],
    ['size', formatSizeBytes(result.logicalBytes)],
    ['sent', formatSizeBytes(result.sentBytes)],
    ['unchanged', formatSizeBytes(result.reusedBytes)],
    ['tree digest', artifact.treeDigest],
    ['expires', expiryCell(artifact)],
    ['page', artifact.links.html],
  ])
}
