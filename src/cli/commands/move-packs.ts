/** `trove move-packs`: moves packs from the data directory into a bucket, back, or to another
 *  bucket. */
import { join } from 'node:path'
import { readServerConfig } from '../../config/config.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { type Move, movePacks, type MoveReport, removeMoved } from '../../lifecycle/move-packs.ts'
import { removeMetadata } from '../../lifecycle/snapshot/snapshots.ts'
import { lockDataDir, wasEverLocked } from '../../metadata/sqlite/data-lock.ts'
import { openPackStore, type PackPlace } from '../../packs/open-pack-store.ts'
import {
  currentPackPlace,
  formatPackPlace,
  leftPackPlace,
  prepareMove,
  releasePlace,
  requirePlace,
  switchPackPlace,
} from '../../packs/pack-place.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { write, writeJson } from '../output/output.ts'
import { createProgressLines } from '../output/progress.ts'

const flags = {
  data: { value: 'DIR', help: 'data directory (TROVE_DATA); no server may be running on it' },
  json: serverFlags.json,
} as const

export const movePacksCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Move all packs to the bucket TROVE_S3_BUCKET, or into the data directory when it is not set. An interrupted move resumes when run again.',
  flags,
  examples: [
    'TROVE_S3_BUCKET=ci-artifacts trove move-packs --data /srv/trove',
    'trove move-packs --data /srv/trove',
  ],
  exitStatuses: [8, 9, 13],
  async run({ flags: given, stdout, stderr, signal }) {
    const { dataDir, packBucket } = readServerConfig({ data: given.data })
    if (!wasEverLocked(dataDir)) throw new UsageError(`no store in ${dataDir}`)
    const lock = lockDataDir(dataDir, 'move-packs')
    try {
      const from = await currentPackPlace(dataDir, packBucket)
      const to: PackPlace =
        packBucket === null
          ? { kind: 'directory', directory: join(dataDir, 'cas') }
          : { kind: 'bucket', bucket: packBucket }
      const places = { from: formatPackPlace(from), to: formatPackPlace(to) }
      if (places.from === places.to) {
        const old = await leftPackPlace(dataDir, to)
        const left = old === undefined ? 0 : await removeOld(dataDir, old, to)
        return await (given.json
          ? writeJson(stdout, { ...places, packs: 0, packBytes: 0, left })
          : write(stdout, describeLeft(places.to, left)))
      }
      const printLine = createProgressLines(stderr)
      const onProgress: Move['onProgress'] = ({ doneBytes, totalBytes }) =>
        printLine(() => `moved ${formatSizeBytes(doneBytes)} of ${formatSizeBytes(totalBytes)}`)
      const report = await move(dataDir, { from, to, onProgress, signal })
      if (given.json) await writeJson(stdout, { ...places, ...report })
      else await write(stdout, describe(report, places))
    } finally {
      lock.release()
    }
  },
}

async function move(
  dataDir: string,
  { from, to, ...watch }: { from: PackPlace; to: PackPlace } & Pick<Move, 'onProgress' | 'signal'>,
): Promise<MoveReport> {
  // A store that was restored elsewhere has its packs there.
  await requirePlace(dataDir, from)
  await prepareMove(dataDir, to)
  const source = await openPackStore(from)
  const target = await openPackStore(to)
  try {
    const report = await movePacks({
      from: source,
      to: target,
      switchOver: async () => {
        // It may have been taken over meanwhile.
        await requirePlace(dataDir, from)
        await switchPackPlace(dataDir, to)
      },
      ...watch,
    })
    // The bucket is another server's, if that took it over just now.
    const old = from.kind === 'directory' ? from : await leftPackPlace(dataDir, to)
    if (old !== undefined) await removeOld(dataDir, old, to)
    return report
  } finally {
    await source.close()
    await target.close()
  }
}

/** Removes the packs that a move has left in the old place; returns their number. The metadata goes
 *  first: without it no other server takes the bucket over. */
async function removeOld(dataDir: string, from: PackPlace, to: PackPlace): Promise<number> {
  if (from.kind === 'bucket') await withBucket(from.bucket, removeMetadata)
  const source = await openPackStore(from)
  const target = await openPackStore(to)
  try {
    const removed = await removeMoved(source, target)
    await releasePlace(dataDir, from)
    return removed
  } finally {
    await source.close()
    await target.close()
  }
}

function describeLeft(to: string, left: number): string {
  const removed =
    left > 0 ? `; removed ${left} that an interrupted move had left in the old place` : ''
  return `the packs are already in ${to}${removed}\n`
}

function describe(
  { packs, packBytes, packsThereBefore }: MoveReport,
  { from, to }: { from: string; to: string },
): string {
  const before = packsThereBefore > 0 ? `, ${packsThereBefore} of them before` : ''
  return `moved ${counted(packs, 'pack')}, ${formatSizeBytes(packBytes)}${before}, from ${from} to ${to}\n`
}
