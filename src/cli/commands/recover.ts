/** `trove recover`: rebuilds metadata from packs, when the database is lost or older than they
 *  are. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readServerConfig } from '../../config/config.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { rebuildFromPacks, type RebuildReport } from '../../lifecycle/recovery/rebuild.ts'
import { sealedPackPath } from '../../packs/pack-layout.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { withStorage } from '../maintenance/local-store.ts'
import { unlessUnread, write, writeJson } from '../output/output.ts'

const flags = {
  'from-packs': { value: null, help: 'import every pack that the database does not know' },
  data: { value: 'DIR', help: 'data directory (TROVE_DATA); no server may be running on it' },
  json: serverFlags.json,
} as const

export const recoverCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Rebuild lost metadata from packs. Contents are recovered under their digests; paths, runs and chunked files are not.',
  flags,
  examples: ['trove recover --from-packs --data /srv/trove'],
  exitStatuses: [8, 9, 13],
  async run({ flags: given, stdout, signal }) {
    if (!given['from-packs'])
      throw new UsageError('--from-packs is missing: it is the only way to recover')
    const report = await recoverDirectory(given.data, signal)
    await unlessUnread(given.json ? writeJson(stdout, report) : write(stdout, describe(report)))
    const isWhole =
      report.damagedCopies === 0 && report.damagedPacks === 0 && report.damagedArtifacts === 0
    return isWhole ? exitStatus.ok : exitStatus.damaged
  },
}

/** Skips the recovery that a server does at start, since that deletes what the database does not
 *  know. */
async function recoverDirectory(
  data: string | undefined,
  signal: AbortSignal,
): Promise<RebuildReport> {
  const config = readServerConfig({ data })
  const { dataDir, artifactBytesMax, entriesMax, compressionLevel, stockZips, retention } = config
  if (config.packBucket === null && !existsSync(join(dataDir, 'cas')))
    throw new UsageError(`no packs in ${dataDir}`)
  return await withStorage(config, 'recover', async ({ metadata, packs }) => {
    const settings = { artifactBytesMax, entriesMax, compressionLevel, stockZips }
    const expiresAt = Date.now() + retention.defaultMs
    const ports = { metadata, packs, settings, now: Date.now }
    return await rebuildFromPacks(ports, { expiresAt, signal })
  })
}

function describe(report: RebuildReport): string {
  const { packs, packBytes, copies, blobs, knownPacks, damagedCopies, damagedPacks } = report
  const { missingPacks, damagedArtifacts } = report
  const lines = [
    `imported ${counted(packs, 'pack')}, ${formatSizeBytes(packBytes)}: ${counted(copies, 'copy', 'copies')} of ${counted(blobs, 'content')}`,
  ]
  if (knownPacks > 0) lines.push(`already known: ${counted(knownPacks, 'pack')}`)
  if (missingPacks > 0) lines.push(`known, but missing: ${counted(missingPacks, 'pack')}`)
  if (damagedArtifacts > 0)
    lines.push(`artifacts with contents that no pack holds any more: ${damagedArtifacts}`)
  if (damagedCopies > 0) lines.push(`damaged copies, skipped: ${damagedCopies}`)
  if (damagedPacks > 0)
    lines.push(`packs with a damaged zip directory, read as far as possible: ${damagedPacks}`)
  if (report.unreadablePacks.length > 0) {
    lines.push('unreadable packs; move them away before starting a server:')
    for (const name of report.unreadablePacks) lines.push(`  cas/${sealedPackPath(name)}`)
  }
  if (packs > 0) lines.push('see artifacts pack-… of project recovered/packs, run 1')
  return `${lines.join('\n')}\n`
}
