/** `trove scrub`: reads back and checks everything that is stored. */
import { scrubReportSchema, type WireScrubReport } from '../../api/admin-messages.ts'
import { scrubPath } from '../../api/paths.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { type ScrubFinding, scrub } from '../../lifecycle/scrub/scrub.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { maintenanceFlags, runMaintenance } from '../maintenance/maintenance-job.ts'
import { printable, unlessUnread, write, writeResult } from '../output/output.ts'

export const scrubCommand: Command<typeof maintenanceFlags> = {
  operands: '',
  summary: 'Read back and check everything that is stored. Exits with 8 when anything is damaged.',
  flags: maintenanceFlags,
  examples: ['trove scrub', 'trove scrub --json', 'trove scrub --data /srv/trove'],
  exitStatuses: [5, 6, 8, 10, 13],
  async run(invocation) {
    const { flags: given, stdout, stderr } = invocation
    const report = await runMaintenance<WireScrubReport>(given, invocation, {
      command: 'scrub',
      path: scrubPath,
      json: {},
      schema: scrubReportSchema,
      local: async ({ ports }, onProgress) =>
        await scrub(ports, {
          olderThanMs: null,
          bytesPerSecond: null,
          rollups: true,
          onProgress,
          onFinding: (finding) => void write(stderr, `trove: ${findingText(finding)}\n`),
        }),
      describeProgress,
    })
    await unlessUnread(writeResult(stdout, given, report, describe))
    const isDamaged = report.damagedCopies > 0 || report.damagedArtifacts > 0
    return isDamaged ? exitStatus.damaged : exitStatus.ok
  },
}

function findingText(finding: ScrubFinding): string {
  switch (finding.kind) {
    case 'copy':
      return `stream ${finding.streamId} of pack ${finding.packName}, at ${finding.offset}: ${finding.fault}`
    case 'copies':
      return `pack ${finding.packName} has ${counted(finding.count, 'more damaged copy', 'more damaged copies')}`
    case 'framing':
      return finding.fault
    case 'unjudged':
      return `pack ${finding.packName} could not be checked: ${finding.fault}`
    case 'drift':
      return `${finding.what} was ${finding.stored}, corrected to ${finding.counted}`
  }
}

function describeProgress({ packs, copies, readBytes }: WireScrubReport): string {
  return `read ${counted(packs, 'pack')}, ${counted(copies, 'copy', 'copies')}, ${formatSizeBytes(readBytes)}`
}

function describe(report: WireScrubReport): string {
  const { damagedCopies, foundCopies } = report
  const lines = [
    describeProgress(report),
    damagedCopies === 0
      ? 'no damaged copies'
      : `damaged copies: ${damagedCopies}, ${foundCopies} of them new`,
  ]
  const healed = report.healedCopies + report.healedBlobs
  if (healed > 0) lines.push(`healed: ${healed}`)
  if (report.rewrittenPacks > 0) {
    lines.push(`packs rewritten because of damaged framing: ${report.rewrittenPacks}`)
  }
  if (report.drifts > 0) lines.push(`rollups corrected: ${report.drifts}`)
  if (report.damagedArtifacts > 0) lines.push(`damaged artifacts: ${report.damagedArtifacts}`)
  for (const { id, project, run, name, damagedFiles } of report.damaged) {
    lines.push(printable(`  id:${id}  ${project}@${run}/${name}`))
    lines.push(...damagedFiles.map((path) => printable(`    ${path}`)))
  }
  if (report.damagedArtifacts > 0) {
    lines.push('Uploading the same content again heals them.')
  }
  return `${lines.join('\n')}\n`
}
