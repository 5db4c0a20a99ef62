/** `trove move-packs`: moves packs from the data directory into a bucket, back, or to another
 *  bucket. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readServerConfig } from '../../config/config.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { type Move, movePacks, type MoveReport, removeMoved } from '../../lifecycle/move-packs.ts'
import { databaseOf } from '../../lifecycle/data-directory.ts'
import { removeSomeMetadata } from '../../lifecycle/snapshot/snapshots.ts'
import { lockDataDir } from '../../metadata/sqlite/data-lock.ts'
import { openSqliteMetadata } from '../../metadata/sqlite/sqlite.ts'
import { openPackStore, type PackPlace } from '../../packs/open-pack-store.ts'
import {
  currentPackPlace,
  findPackPlace,
  formatPackPlace,
  leftPackPlace,
  prepareMove,
  releasePlace,
  requirePlace,
  switchPackPlace,
} from '../../packs/pack-place.ts'
import type { PackStore } from '../../packs/pack-store.ts'
import type { Bucket } from '../../packs/s3/bucket.ts'
import { withBucket } from '../../packs/with-bucket.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { write, writeJson, writeResult } from '../output/output.ts'
import { createProgressLines } from '../output/progress.ts'
import { takeSnapshotHere } from './snapshot.ts'

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
    // Without it, the only copy of the metadata may be in a bucket.
    if (!existsSync(databaseOf(dataDir)))
      throw new UsageError(`no store in ${dataDir}, which has no trove.db`)
    const lock = lockDataDir(dataDir, 'move-packs')
    try {
      const from = await currentPackPlace(dataDir, packBucket)
      const to: PackPlace =
        packBucket === null
          ? { kind: 'directory', directory: join(dataDir, 'cas') }
          : { kind: 'bucket', bucket: packBucket }
      const places = { from: formatPackPlace(from), to: formatPackPlace(to) }
      // A bucket of another service may have the same name.
      if (places.from === places.to) await findPackPlace(dataDir, packBucket)
      // This move would forget where earlier ones have left packs.
      const left = await removeLeft({ dataDir, place: from, to, signal })
      if (places.from === places.to) {
        return await (given.json
          ? writeJson(stdout, { ...places, packs: 0, packBytes: 0, left })
          : write(stdout, describeLeft(places.to, left)))
      }
      const printLine = createProgressLines(stderr)
      const onProgress: Move['onProgress'] = ({ doneBytes, totalBytes }) =>
        printLine(() => `moved ${formatSizeBytes(doneBytes)} of ${formatSizeBytes(totalBytes)}`)
      const report = await move(dataDir, { from, to, onProgress, signal })
      await writeResult(stdout, given, { ...places, ...report }, () => describe(report, places))
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
  const report = await withStores(from, to, async (stores) => {
    return await movePacks({
      ...stores,
      switchOver: async () => {
        // It may have been taken over meanwhile.
        await requirePlace(dataDir, from)
        await switchPackPlace(dataDir, to)
      },
      ...watch,
    })
  })
  await removeLeft({ dataDir, place: to, to, signal: watch.signal })
  return report
}

interface Leaving {
  dataDir: string
  /** Where the packs are. */
  place: PackPlace
  /** Where they are moved to next. */
  to: PackPlace
  signal: AbortSignal
}

/** Removes what moves have left in other places than these; returns the number of packs. The
 *  metadata goes first: without it no other server takes the bucket over. */
async function removeLeft({ dataDir, place, to, signal }: Leaving): Promise<number> {
  let isSaved = false
  const saveMetadata = async (): Promise<void> => {
    if (place.kind === 'bucket' && !isSaved)
      await takeSnapshotHere({ dataDir, place: place.bucket, signal })
    isSaved = true
  }
  for (let removed = 0; ;) {
    // Asked again each time, since another server may have taken it over.
    const old = await leftPackPlace(dataDir, place, to)
    if (old === undefined) return removed
    const removeMetadata = async (objects: Bucket): Promise<boolean> =>
      await removeSomeMetadata(objects, saveMetadata)
    if (old.kind === 'bucket' && (await withBucket(old.bucket, removeMetadata))) continue
    await requirePlace(dataDir, place)
    const metadata = openSqliteMetadata({ path: databaseOf(dataDir) })
    try {
      const isKnown = metadata.hasPack
      const work: Work<number> = async (stores) => await removeMoved({ ...stores, isKnown, signal })
      removed += await withStores(old, place, work)
    } finally {
      await metadata.close()
    }
    await releasePlace(dataDir, old)
    if (old.kind === 'directory') return removed
  }
}

type Work<T> = (stores: { from: PackStore; to: PackStore }) => Promise<T>

async function withStores<T>(from: PackPlace, to: PackPlace, work: Work<T>): Promise<T> {
  const source = await openPackStore(from)
  try {
    const target = await openPackStore(to)
    try {
      return await work({ from: source, to: target })
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
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
