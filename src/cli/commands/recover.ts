/** `trove recover`: rebuilds metadata from packs, when the database is lost or older than they
 *  are; with packs in a bucket, on top of the newest metadata snapshot in it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findKeys } from '../../auth/key.ts'
import { type Config, readServerConfig } from '../../config/config.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { rebuildFromPacks, type RebuildReport } from '../../lifecycle/recovery/rebuild.ts'
import { databaseOf } from '../../lifecycle/data-directory.ts'
import { restoreStore, type Restoring } from '../../lifecycle/recovery/restore-store.ts'
import type { RestoredSnapshot } from '../../lifecycle/snapshot/restore-snapshot.ts'
import { lockDataDir } from '../../metadata/sqlite/data-lock.ts'
import { sealedPackPath } from '../../packs/pack-layout.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { withStorage } from '../maintenance/local-store.ts'
import { unlessUnread, write, writeResult } from '../output/output.ts'
import { createProgressLines } from '../output/progress.ts'

const flags = {
  'from-packs': { value: null, help: 'import every pack that the database does not know' },
  'from-snapshot': {
    value: null,
    help: 'first restore the newest metadata snapshot in the bucket TROVE_S3_BUCKET to a directory without a database',
  },
  data: { value: 'DIR', help: 'data directory (TROVE_DATA); no server may be running on it' },
  json: serverFlags.json,
} as const

export const recoverCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Rebuild lost metadata from packs. Contents are recovered under their digests; paths, runs and chunked files are not, except those in a metadata snapshot.',
  flags,
  examples: [
    'trove recover --from-packs --data /srv/trove',
    'TROVE_S3_BUCKET=ci-artifacts trove recover --from-snapshot --data /srv/trove',
  ],
  exitStatuses: [3, 8, 9, 13],
  async run({ flags: given, stdout, stderr, signal }) {
    if (!given['from-packs'] && !given['from-snapshot'])
      throw new UsageError('choose --from-packs or --from-snapshot')
    const config = readServerConfig({ data: given.data })
    const printLine = createProgressLines(stderr)
    const restoring = { onStep: (step: string) => printLine(() => step), signal }
    const report = given['from-snapshot']
      ? await restore(config, restoring)
      : { ...(await recoverDirectory(config, restoring)), snapshot: null }
    const { snapshot } = report
    const hasKey = (await findKeys(config.dataDir)) !== undefined
    if (snapshot !== null && !hasKey) await write(stderr, keyWarning)
    await unlessUnread(writeResult(stdout, given, report, describe))
    const isWhole =
      report.damagedCopies === 0 && report.damagedPacks === 0 && report.damagedArtifacts === 0
    return isWhole ? exitStatus.ok : exitStatus.damaged
  },
}

const keyWarning =
  'trove: warning: there is no secret.key in the data directory, so tokens, sign-ins and links made before are no longer valid; put a copy of it there, or make new tokens with `trove token`\n'

type Report = RebuildReport & { snapshot: RestoredSnapshot | null }

/** Takes the place of the server that had the bucket.
 *  Errors: UsageError (no bucket, or there is a database), DataLockedError, those of
 *  `restoreStore`. */
async function restore(config: Config, restoring: Restoring): Promise<Report> {
  const { dataDir, packBucket: place } = config
  if (place === null)
    throw new UsageError('--from-snapshot needs TROVE_S3_BUCKET, the bucket that holds the packs')
  const lock = lockDataDir(dataDir, 'recover')
  try {
    const found = ['', '-wal', '-shm'].map((end) => databaseOf(dataDir) + end).find(existsSync)
    if (found !== undefined)
      throw new UsageError(`${found} exists; move it away, or run \`trove recover --from-packs\``)
    return await withBucket(place, async (objects) => {
      const store = { ...config, place }
      const { snapshot, imported } = await restoreStore(objects, store, restoring)
      return { ...imported, snapshot }
    })
  } finally {
    lock.release()
  }
}

/** Skips the recovery that a server does at start, since that deletes what the database does not
 *  know. */
async function recoverDirectory(
  config: Config,
  { onStep, signal }: Restoring,
): Promise<RebuildReport> {
  const { dataDir, artifactBytesMax, entriesMax, compressionLevel, stockZips, retention } = config
  if (config.packBucket === null && !existsSync(join(dataDir, 'cas')))
    throw new UsageError(`no packs in ${dataDir}`)
  return await withStorage(config, 'recover', async ({ metadata, packs }) => {
    const settings = { artifactBytesMax, entriesMax, compressionLevel, stockZips }
    const expiresAt = Date.now() + retention.defaultMs
    const ports = { metadata, packs, settings, now: Date.now }
    return await rebuildFromPacks(ports, {
      expiresAt,
      signal,
      onProgress: ({ knownPacks, packs: imported }) =>
        onStep(`of the packs, ${knownPacks} were known and ${imported} imported`),
    })
  })
}

function describe(report: Report): string {
  const { packs, packBytes, copies, blobs, knownPacks, damagedCopies, damagedPacks } = report
  const { missingPacks, damagedArtifacts, snapshot } = report
  const lines = [
    `imported ${counted(packs, 'pack')}, ${formatSizeBytes(packBytes)}: ${counted(copies, 'copy', 'copies')} of ${counted(blobs, 'content')}`,
  ]
  if (snapshot !== null) {
    const { number, takenAt, sizeBytes, damagedSnapshots, lostChanges } = snapshot
    const restored = [`restored the metadata of ${takenAt}, ${formatSizeBytes(sizeBytes)}`]
    if (damagedSnapshots > 0)
      restored.push(
        `skipped ${counted(damagedSnapshots, 'newer snapshot')}, which ${damagedSnapshots > 1 ? 'are' : 'is'} damaged`,
      )
    if (lostChanges > 0)
      restored.push(
        `changes after that which are missing or damaged: ${lostChanges} of snapshot ${number}`,
      )
    lines.unshift(...restored)
  }
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
