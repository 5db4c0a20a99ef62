/** `trove snapshot`: takes a metadata snapshot of a store, running or not, whose packs are in a
 *  bucket. */
import { snapshotReportSchema, type WireSnapshotReport } from '../../api/admin-messages.ts'
import { snapshotPath } from '../../api/paths.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { databaseOf } from '../../lifecycle/data-directory.ts'
import { openStoreSeries } from '../../lifecycle/snapshot/series.ts'
import { takeSnapshot } from '../../lifecycle/snapshot/take-snapshot.ts'
import { createLog } from '../../log.ts'
import { startLogKeeper } from '../../metadata/sqlite/log/log-keeper.ts'
import { createSharedLog } from '../../metadata/sqlite/log/shared-log.ts'
import { UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { maintenanceFlags, runMaintenance } from '../maintenance/maintenance-job.ts'
import type { LocalStore } from '../maintenance/local-store.ts'
import { writeResult } from '../output/output.ts'

const log = createLog('error')

export const snapshotCommand: Command<typeof maintenanceFlags> = {
  operands: '',
  summary:
    'Copy the metadata to the bucket that holds the packs, as the server does when much has changed. `trove recover --from-snapshot` restores it.',
  flags: maintenanceFlags,
  examples: ['trove snapshot', 'trove snapshot --data /srv/trove'],
  exitStatuses: [5, 6, 9, 10, 13],
  async run(invocation) {
    const { flags: given, stdout } = invocation
    const report = await runMaintenance<WireSnapshotReport>(given, invocation, {
      command: 'snapshot',
      path: snapshotPath,
      json: {},
      schema: snapshotReportSchema,
      local: snapshotOf,
      describeProgress: (progress) => describe(progress, ' sent'),
    })
    await writeResult(stdout, given, report, () => `${describe(report)}\n`)
  },
}

async function snapshotOf(
  { ports: { signal }, config }: LocalStore,
  onProgress: (progress: WireSnapshotReport) => void,
): Promise<WireSnapshotReport> {
  const { dataDir, packBucket: place } = config
  if (place === null)
    throw new UsageError(
      'TROVE_S3_BUCKET is not set, so the packs are on the disk: `trove backup` copies this store',
    )
  return await takeSnapshotHere({ dataDir, place, signal, onProgress })
}

/** Takes a snapshot of a store without a server. */
export async function takeSnapshotHere(
  options: Parameters<typeof takeSnapshot>[1],
): Promise<WireSnapshotReport> {
  const { dataDir, place } = options
  // Nobody writes meanwhile; what a process that was killed left in the log is captured.
  const path = databaseOf(dataDir)
  const ended = (error: Error): void => {
    log.error('the log keeper failed', { error })
  }
  const keeper = await startLogKeeper({ path, sharedLog: createSharedLog(), onFailure: ended })
  const { capture } = keeper
  const series = openStoreSeries({ dataDir, place, capture, intervalMs: null, log })
  try {
    return await takeSnapshot(series, options)
  } finally {
    await series.close()
    await keeper.close()
  }
}

function describe({ number, databaseBytes, snapshotBytes }: WireSnapshotReport, done = ''): string {
  return `snapshot ${number}: ${formatSizeBytes(snapshotBytes)}${done} for a database of ${formatSizeBytes(databaseBytes)}`
}
