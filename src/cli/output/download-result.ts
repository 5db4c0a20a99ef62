/** What `trove download` says about a finished download, or one that a dry run plans. */
import { join } from 'node:path'
import type { WireArtifact } from '../../api/messages.ts'
import type { DownloadResult } from '../../client/download/download-result.ts'
import type { ClientConfig } from '../../config/client-config.ts'
import { counted, formatCount, formatSizeBytes } from '../../core/units.ts'
import { writeSummary } from './job-report.ts'
import type { Collisions } from './merged-paths.ts'
import { printable } from './output.ts'

export interface Downloaded extends DownloadResult {
  artifact: WireArtifact
  destination: string
  /** With other artifacts that were merged into the same directory before. */
  collisions?: Collisions
}

/** Lists what a dry run would write and delete. */
export function describePlan({ planned, destination }: Downloaded): string {
  const lines = (verb: string, paths: readonly string[]): string =>
    paths.map((path) => `${verb} ${printable(join(destination, path))}\n`).join('')
  return planned === null ? '' : lines('write', planned.write) + lines('delete', planned.delete)
}

/** One line, without its end. */
export function describeDownload(result: Downloaded, dryRun: boolean): string {
  const {
    artifact,
    files,
    logicalBytes,
    writtenFiles,
    fetchedBytes,
    deletedPaths,
    skippedSymlinks,
  } = result
  const would = dryRun ? 'would be ' : ''
  const deleted = deletedPaths === 0 ? '' : `, ${deletedPaths} ${would}deleted`
  const skipped = skippedSymlinks === 0 ? '' : `, ${counted(skippedSymlinks, 'symlink')} skipped`
  const received = dryRun ? '' : `, ${formatSizeBytes(fetchedBytes)} received`
  return (
    `${printable(artifact.name)}  ${formatCount(writtenFiles)} of ${counted(files, 'file')} ${would}written${deleted}${skipped}${received}` +
    ` for ${formatSizeBytes(logicalBytes)}  ${printable(result.destination)}`
  )
}

/** Adds a download to the summary of the job. */
export async function summarizeDownload(config: ClientConfig, result: Downloaded): Promise<void> {
  await writeSummary(config, `Downloaded ${result.artifact.name}`, [
    ['files', `${result.files}, ${result.writtenFiles} of them written`],
    ['size', formatSizeBytes(result.logicalBytes)],
    ['received', formatSizeBytes(result.fetchedBytes)],
    ['to', result.destination],
  ])
}
