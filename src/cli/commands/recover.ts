/** `trove recover`: metadata from packs, when the database is lost or older than they are. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readServerConfig } from '../../config.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { rebuildFromPacks, type RebuildReport } from '../../lifecycle/rebuild.ts'
import { lockDataDir } from '../../metadata/data-lock.ts'
import { openMetadataWorker } from '../../metadata/sqlite-worker.ts'
import { openPackStore } from '../../packs/open-pack-store.ts'
import { sealedPackPath } from '../../packs/pack-layout.ts'
import { findPackPlace } from '../../packs/pack-place.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { write, writeJson } from '../output.ts'

const flags = {
  'from-packs': { value: null, help: 'take in every pack that the database does not know' },
  data: { value: 'DIR', help: 'the data directory (TROVE_DATA); no server may run on it' },
  json: serverFlags.json,
} as const

export const recoverCommand: Command<typeof flags> = {
  name: 'recover',
  operands: '',
  summary:
    'Rebuilds lost metadata from packs. Contents come back, named by digest; paths, runs and chunked files do not.',
  flags,
  examples: ['trove recover --from-packs --data /srv/trove'],
  exitStatuses: [8, 9, 13],
  async run({ flags: given, operands, stdout, signal }) {
    takeOperands(operands, [])
    if (!given['from-packs']) throw new UsageError('--from-packs is missing: there is no other way')
    const report = await recoverDirectory(given.data, signal)
    if (given.json) await writeJson(stdout, report)
    else await write(stdout, describe(report))
    const isWhole = report.damagedCopies === 0 && report.damagedPacks === 0
    return isWhole ? exitStatus.ok : exitStatus.damaged
  },
}

/** Not put in order first, as a start of the server would: that deletes what it cannot account for. */
async function recoverDirectory(
  data: string | undefined,
  signal: AbortSignal,
): Promise<RebuildReport> {
  const config = readServerConfig({ data })
  const { dataDir, artifactBytesMax, entriesMax, compressionLevel, stockZips, retention } = config
  if (config.packBucket === null && !existsSync(join(dataDir, 'cas')))
    throw new UsageError(`there are no packs in ${dataDir}`)
  const lock = lockDataDir(dataDir)
  try {
    const packs = await openPackStore(await findPackPlace(dataDir, config.packBucket))
    const metadata = await openMetadataWorker({ path: join(dataDir, 'trove.db') })
    try {
      const settings = { artifactBytesMax, entriesMax, compressionLevel, stockZips }
      const expiresAt = Date.now() + retention.defaultMs
      return await rebuildFromPacks(
        { metadata, packs, settings, now: Date.now },
        { expiresAt, signal },
      )
    } finally {
      await packs.close()
      await metadata.close()
    }
  } finally {
    lock.release()
  }
}

function describe(report: RebuildReport): string {
  const { packs, packBytes, copies, blobs, knownPacks, damagedCopies, damagedPacks } = report
  const lines = [
    `took in ${packs} packs, ${formatSizeBytes(packBytes)}: ${copies} copies of ${blobs} contents`,
  ]
  if (knownPacks > 0) lines.push(`known already: ${knownPacks} packs`)
  if (damagedCopies > 0) lines.push(`damaged copies, left out: ${damagedCopies}`)
  if (damagedPacks > 0)
    lines.push(`packs with a bad directory, read as far as they go: ${damagedPacks}`)
  if (report.unreadablePacks.length > 0) {
    lines.push('nothing can be read of these packs; a server starts once they are moved away:')
    for (const name of report.unreadablePacks) lines.push(`  cas/${sealedPackPath(name)}`)
  }
  if (packs > 0) lines.push('see artifacts pack-… of project recovered/packs, run 1')
  return `${lines.join('\n')}\n`
}
