/** `trove backup`: copies a store, running or not, into a new data directory. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { backupReportSchema, type WireBackupReport } from '../../api/admin-messages.ts'
import { backupPath } from '../../api/paths.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { backUp } from '../../lifecycle/backup/backup.ts'
import { keyFilesOf } from '../../lifecycle/data-directory.ts'
import { takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { maintenanceFlags, runMaintenance } from '../maintenance/maintenance-job.ts'
import { unlessUnread, writeResult } from '../output/output.ts'
import { hasErrno } from '../../core/errors.ts'

const flags = {
  ...maintenanceFlags,
  copies: {
    value: null,
    help: 'copy instead of hard-linking, so that the backup shares no bytes with the store or another backup',
  },
} as const

export const backupCommand: Command<typeof flags> = {
  operands: 'DEST',
  summary:
    "Copy a store to the new directory DEST on the server's machine. To restore, stop the server and put DEST in the place of its data directory.",
  flags,
  examples: [
    'trove backup /mnt/backup/trove-2026-07-01',
    'trove backup --data /srv/trove --copies /mnt/backup/trove',
  ],
  exitStatuses: [5, 6, 8, 9, 10, 13],
  async run(invocation) {
    const { flags: given, operands, stdout } = invocation
    const [target] = takeOperands(operands, ['DEST'])
    const wanted = { destination: resolve(target), copies: given.copies }
    const report = await runMaintenance<WireBackupReport>(given, invocation, {
      command: 'backup',
      path: backupPath,
      json: wanted,
      schema: backupReportSchema,
      local: async ({ ports, config: { dataDir } }, onProgress) =>
        await backUp(ports, { ...wanted, files: keyFilesOf(dataDir), onProgress }),
      describeProgress,
      interrupted: 'the same command continues with the packs that are there already',
    })
    // With --data, this is the server's machine.
    if (given.data !== undefined && (await isAbsent(report.path))) {
      throw new UsageError(
        `${report.path} exists only for the server, as in a private /tmp (PrivateTmp), which is deleted when it stops: choose another DEST`,
      )
    }
    await unlessUnread(writeResult(stdout, given, report, describe))
    const isWhole = report.damagedCopies === 0 && report.missingPacks === 0
    return isWhole ? exitStatus.ok : exitStatus.damaged
  },
}

/** Returns false for a path that this user may not examine. */
async function isAbsent(path: string): Promise<boolean> {
  try {
    await stat(path)
    return false
  } catch (error) {
    return hasErrno(error, 'ENOENT')
  }
}

function describeProgress(report: WireBackupReport): string {
  const { packs, packBytes, linkedPacks, copiedPacks, reusedPacks } = report
  return `${counted(packs, 'pack')}, ${formatSizeBytes(packBytes)}: ${linkedPacks} linked, ${copiedPacks} copied, ${reusedPacks} already there`
}

function describe(report: WireBackupReport): string {
  const lines = [report.path, describeProgress(report)]
  if (report.damagedCopies > 0) lines.push(`damaged copies in the backup: ${report.damagedCopies}`)
  if (report.missingPacks > 0) lines.push(`packs missing from the store: ${report.missingPacks}`)
  return `${lines.join('\n')}\n`
}
