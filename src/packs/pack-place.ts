/** Where the packs of a data directory are: in its `cas/`, or in the bucket that the file
 *  `cas/bucket` names. The two must never be confused: a store that looks for its packs in the
 *  wrong place would consider all of them lost.
 *
 *  In the bucket, the object `owner` repeats the owner id of `cas/bucket`, because two stores in
 *  one bucket would delete each other's packs as debris. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type BucketPlace, formatBucket } from '../core/bucket-place.ts'
import { asError, invalidRequest, StoreError } from '../core/errors.ts'
import { elsewhere, foreign, ownerKey, refused, takenOver } from './pack-place-errors.ts'
import { type Bucket, readMark, writeMark } from './s3/bucket.ts'
import { openS3Bucket } from './s3/s3-bucket.ts'
import { withBucket } from './with-bucket.ts'
import { ignoringAbsence } from './local/errno.ts'
import {
  makeDirectory,
  nodeFileSystem,
  readSmallFile,
  syncDirectory,
  writeInPlace,
} from './local/file-system.ts'
import type { PackPlace } from './open-pack-store.ts'
import { formatName } from './pack-layout.ts'

/** The content of `cas/bucket`. */
interface Claim extends BucketPlace {
  owner: string
}

/** Claim on a bucket that packs are being moved to, until all of them are there. */
const nextFile = 'bucket.next'
const claimFile = 'bucket'
/** Claim on a bucket that packs were moved from, until none is left there. */
const lastFile = 'bucket.last'
const claimBytesMax = 64 * 1024

/** Returns the place of the packs. `bucket`: the one in the settings, or null. A bucket is claimed
 *  on first use.
 *  Errors: invalid_request, when the packs are elsewhere or the bucket belongs to another store;
 *  those of the bucket. */
export async function findPackPlace(
  dataDir: string,
  bucket: BucketPlace | null,
): Promise<PackPlace> {
  const directory = join(dataDir, 'cas')
  await checkPlace(directory, bucket)
  if (bucket === null) return { kind: 'directory', directory }
  await withBucket(bucket, async (objects) => {
    await claimBucket(dataDir, bucket, { objects, file: claimFile })
  })
  return { kind: 'bucket', bucket }
}

/** Errors: invalid_request, when the packs are elsewhere than in `bucket`. */
async function checkPlace(directory: string, bucket: BucketPlace | null): Promise<void> {
  const claim = await readClaim(directory, claimFile)
  const isElsewhere =
    claim === undefined
      ? bucket !== null && (await hasPacks(directory))
      : bucket === null || formatBucket(claim) !== formatBucket(bucket)
  if (!isElsewhere) return
  const is = claim === undefined ? directory : formatBucket(claim)
  const asked = bucket === null ? 'is not set' : `is ${formatBucket(bucket)}`
  throw refused(
    `the packs are in ${is}, but TROVE_S3_BUCKET ${asked}; move them with \`trove move-packs\` or correct the setting`,
  )
}

/** Makes the bucket this store's, whoever had it: a server that still uses it deletes no more
 *  packs, takes no more snapshots and does not start again. Can be repeated.
 *  Errors: invalid_request, when the packs are elsewhere; those of the bucket. */
export async function takeOverBucket(
  dataDir: string,
  { place, objects }: { place: BucketPlace; objects: Bucket },
): Promise<void> {
  const directory = join(dataDir, 'cas')
  await checkPlace(directory, place)
  const owner = randomBytes(16).toString('hex')
  await writeClaim(directory, claimFile, { ...place, owner })
  await writeMark(objects, ownerKey, owner)
}

/** Errors: invalid_request, when another store has taken the bucket over; those of the bucket. */
export async function requireBucket(
  dataDir: string,
  { place, objects }: { place: BucketPlace; objects: Bucket },
): Promise<void> {
  const claim = await readClaim(join(dataDir, 'cas'), claimFile)
  const found = await readMark(objects, ownerKey)
  if (claim === undefined || found === undefined) throw foreign(place)
  if (found !== claim.owner) throw takenOver(dataDir, place)
}

/** Returns why the bucket is another server's; undefined when it is not. An object `owner` that is
 *  gone is no other server. Errors: those of the bucket. */
async function findSuccessor(
  dataDir: string,
  { place, objects }: { place: BucketPlace; objects: Bucket },
): Promise<Error | undefined> {
  const claim = await readClaim(join(dataDir, 'cas'), claimFile)
  const found = await readMark(objects, ownerKey)
  const isOther = claim !== undefined && found !== undefined && found !== claim.owner
  return isOther ? takenOver(dataDir, place) : undefined
}

/** The same for any place; a directory cannot be taken over. */
export async function requirePlace(dataDir: string, place: PackPlace): Promise<void> {
  const check = await openPlaceCheck(dataDir, place)
  try {
    await check.requireOwn()
  } finally {
    check.close()
  }
}

export interface PlaceCheck {
  /** Errors: as `requireBucket`. */
  requireOwn(): Promise<void>
  /** Returns why it is another server's; undefined when it is not. Errors: those of the bucket. */
  findSuccessor(): Promise<Error | undefined>
  close(): void
}

/** For a process that checks again and again: a client asks for its credentials once. */
export async function openPlaceCheck(dataDir: string, place: PackPlace): Promise<PlaceCheck> {
  if (place.kind === 'directory')
    return { requireOwn: async () => {}, findSuccessor: async () => undefined, close: () => {} }
  const objects = await openS3Bucket(place.bucket)
  const bucket = { place: place.bucket, objects }
  return {
    requireOwn: async () => await requireBucket(dataDir, bucket),
    findSuccessor: async () => await findSuccessor(dataDir, bucket),
    close: () => objects.close(),
  }
}

/** Returns where the packs are, whatever the settings say. `bucket` is how to reach the bucket if
 *  it is the same one. */
export async function currentPackPlace(
  dataDir: string,
  bucket: BucketPlace | null,
): Promise<PackPlace> {
  const directory = join(dataDir, 'cas')
  const claim = await readClaim(directory, claimFile)
  if (claim === undefined) return { kind: 'directory', directory }
  const isSame = bucket !== null && formatBucket(bucket) === formatBucket(claim)
  return { kind: 'bucket', bucket: isSame ? bucket : claim }
}

/** Formats a place for messages. */
export function formatPackPlace(place: PackPlace): string {
  return place.kind === 'directory' ? place.directory : formatBucket(place.bucket)
}

/** Claims `place` as the destination of a move, while a running server keeps using the current
 *  one. Idempotent.
 *  Errors: invalid_request (the bucket belongs to another store); those of the bucket. */
export async function prepareMove(dataDir: string, place: PackPlace): Promise<void> {
  if (place.kind === 'directory') return
  await withBucket(place.bucket, async (objects) => {
    await claimBucket(dataDir, place.bucket, { objects, file: nextFile })
  })
}

/** Makes `place` the place of the packs, durably. */
export async function switchPackPlace(dataDir: string, place: PackPlace): Promise<void> {
  const directory = join(dataDir, 'cas')
  const claim = await readClaim(directory, claimFile)
  if (claim !== undefined) await writeClaim(directory, lastFile, claim)
  if (place.kind === 'bucket')
    await nodeFileSystem.rename(join(directory, nextFile), join(directory, claimFile))
  else await ignoringAbsence(() => nodeFileSystem.unlink(join(directory, claimFile)))
  await syncDirectory(directory, nodeFileSystem)
}

/** Where moves have left packs, now that the packs are in `place`: one that was stopped after its
 *  switch, or before it and given up; undefined if nowhere. `to`: the destination of a move that
 *  goes on.
 *  Errors: invalid_request, when such a bucket cannot be accessed; those of the bucket. */
export async function leftPackPlace(
  dataDir: string,
  place: PackPlace,
  to: PackPlace = place,
): Promise<PackPlace | undefined> {
  const directory = join(dataDir, 'cas')
  for (const file of [lastFile, nextFile]) {
    const claim = await readClaim(directory, file)
    // A move out of the current bucket that was stopped before its switch has left nothing.
    if (claim === undefined || [place, to].map(formatPackPlace).includes(formatBucket(claim)))
      continue
    const owner = await ownerOf(claim, join(directory, file))
    // Otherwise the bucket is another server's by now, and so are the packs there. One that has no
    // owner had none before packs were moved there, or has none since the last of them was removed.
    if (owner === claim.owner || (owner === undefined && file === lastFile))
      return { kind: 'bucket', bucket: claim }
  }
  const isLeft = place.kind === 'bucket' && (await hasPacks(directory))
  return isLeft ? { kind: 'directory', directory } : undefined
}

async function ownerOf(claim: Claim, path: string): Promise<string | undefined> {
  try {
    return await withBucket(claim, async (objects) => await readMark(objects, ownerKey))
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw refused(
      `a move has left packs in ${formatBucket(claim)}, which must be removed first: ${asError(error).message}. ` +
        `If the bucket is gone for good, delete ${path}`,
      { cause: error },
    )
  }
}

/** Leaves a bucket that no longer holds any packs. */
export async function releasePlace(dataDir: string, place: PackPlace): Promise<void> {
  if (place.kind === 'directory') return
  await withBucket(place.bucket, async (objects) => {
    await objects.remove(formatName)
    // Last: from then on another store may claim the bucket.
    await objects.remove(ownerKey)
  })
  const directory = join(dataDir, 'cas')
  for (const file of [lastFile, nextFile]) {
    const claim = await readClaim(directory, file)
    if (claim !== undefined && formatBucket(claim) === formatBucket(place.bucket))
      await nodeFileSystem.unlink(join(directory, file))
  }
}

async function claimBucket(
  dataDir: string,
  bucket: BucketPlace,
  { objects, file }: { objects: Bucket; file: string },
): Promise<void> {
  const directory = join(dataDir, 'cas')
  const held = await readClaim(directory, file)
  const claim = held !== undefined && formatBucket(held) === formatBucket(bucket) ? held : undefined
  const found = await readMark(objects, ownerKey)
  if (found !== undefined && found !== claim?.owner)
    throw claim === undefined ? foreign(bucket) : takenOver(dataDir, bucket)
  // A service that has a bucket of the same name would look like one that has lost all packs.
  if (found === undefined && claim !== undefined && claim.endpoint !== bucket.endpoint)
    throw elsewhere(claim, bucket)
  const owner = claim?.owner ?? randomBytes(16).toString('hex')
  // Written locally first: an owner object without a local claim would count as another store's.
  // Again when the bucket is reached in another way: the settings may name another one next time.
  if (claim?.endpoint !== bucket.endpoint || claim.region !== bucket.region)
    await writeClaim(directory, file, { ...bucket, owner })
  if (found !== undefined || (await objects.writeNew(ownerKey, Buffer.from(owner)))) return
  if ((await readMark(objects, ownerKey)) !== owner) throw foreign(bucket)
}

/** Errors: invalid_request. */
async function readClaim(directory: string, name: string): Promise<Claim | undefined> {
  const path = join(directory, name)
  try {
    const bytes = await readSmallFile(nodeFileSystem, path, claimBytesMax)
    return bytes && (JSON.parse(bytes.toString()) as Claim)
  } catch (error) {
    throw invalidRequest('data', `${path} cannot be read: ${String(error)}`, { cause: error })
  }
}

async function writeClaim(directory: string, name: string, claim: Claim): Promise<void> {
  await makeDirectory(directory, nodeFileSystem)
  const path = join(directory, name)
  const staged = `${path}.new`
  await ignoringAbsence(() => nodeFileSystem.unlink(staged))
  const bytes = Buffer.from(`${JSON.stringify(claim)}\n`)
  await writeInPlace(nodeFileSystem, { staged, path, bytes })
}

async function hasPacks(directory: string): Promise<boolean> {
  const packs = join(directory, 'packs')
  for (const prefix of (await ignoringAbsence(() => nodeFileSystem.readdir(packs))) ?? []) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    if ((await nodeFileSystem.readdir(join(packs, prefix))).length > 0) return true
  }
  return false
}
