/** Where the packs of a data directory are: in `cas/` of it, or in a bucket, which `cas/bucket` then names. Neither may come
 *  to be mistaken for the other: a store that looks for its packs where none are would take all of them for lost.
 *
 *  In the bucket an object `owner` holds what `cas/bucket` holds, since two stores in one bucket would take one another's
 *  packs for debris. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { type BucketPlace, tellBucket } from '../core/bucket-place.ts'
import { storeError } from '../core/errors.ts'
import { type Bucket, readMark } from './bucket.ts'
import { ignoringAbsence } from './errno.ts'
import { makeDirectory, nodeFileSystem, readAll, syncDirectory, writeAll } from './file-system.ts'
import type { PackPlace } from './open-pack-store.ts'

/** What `cas/bucket` holds. */
interface Claim extends BucketPlace {
  owner: string
}

const ownerKey = 'owner'
/** Of a bucket that packs are moved to, until all of them are there. */
const nextFile = 'bucket.next'
const claimFile = 'bucket'
/** Of a bucket that packs were moved from, until none is left there. */
const lastFile = 'bucket.last'
const claimBytesMax = 64 * 1024

/** `bucket`: as the settings say; null when they say none. A bucket is claimed the first time.
 *  Errors: invalid_request, when the packs are elsewhere or the bucket is another store's; those of the bucket. */
export async function findPackPlace(
  dataDir: string,
  bucket: BucketPlace | null,
): Promise<PackPlace> {
  const directory = join(dataDir, 'cas')
  const claim = await readClaim(directory, claimFile)
  const wanted: PackPlace =
    bucket === null ? { kind: 'directory', directory } : { kind: 'bucket', bucket }
  const isElsewhere =
    claim === undefined
      ? bucket !== null && (await hasPacks(directory))
      : bucket === null || tellBucket(claim) !== tellBucket(bucket)
  if (isElsewhere) {
    const is = claim === undefined ? directory : tellBucket(claim)
    const asked = bucket === null ? 'is not set' : `says ${tellBucket(bucket)}`
    throw refused(
      `the packs are in ${is}, and TROVE_S3_BUCKET ${asked}; \`trove move-packs\` brings them to where it says`,
    )
  }
  if (bucket !== null) {
    const objects = await openBucket(bucket)
    try {
      await claimBucket(directory, bucket, { objects, file: claimFile })
    } finally {
      objects.close()
    }
  }
  return wanted
}

/** Where the packs are, whatever the settings say. `bucket`: how one of the same name is reached now. */
export async function currentPackPlace(
  dataDir: string,
  bucket: BucketPlace | null,
): Promise<PackPlace> {
  const directory = join(dataDir, 'cas')
  const claim = await readClaim(directory, claimFile)
  if (claim === undefined) return { kind: 'directory', directory }
  const isSame = bucket !== null && tellBucket(bucket) === tellBucket(claim)
  return { kind: 'bucket', bucket: isSame ? bucket : claim }
}

/** As people write it. */
export function tellPackPlace(place: PackPlace): string {
  return place.kind === 'directory' ? place.directory : tellBucket(place.bucket)
}

/** Makes `place` ready to be moved to; a server goes on looking where packs were. Again is the same.
 *  Errors: invalid_request (the bucket is another store's); those of the bucket. */
export async function prepareMove(dataDir: string, place: PackPlace): Promise<void> {
  if (place.kind === 'directory') return
  const objects = await openBucket(place.bucket)
  try {
    const directory = join(dataDir, 'cas')
    await claimBucket(directory, place.bucket, { objects, file: nextFile })
  } finally {
    objects.close()
  }
}

/** From now on packs are in `place`, durably. */
export async function switchPackPlace(dataDir: string, place: PackPlace): Promise<void> {
  const directory = join(dataDir, 'cas')
  const claim = await readClaim(directory, claimFile)
  if (claim !== undefined) await writeClaim(directory, lastFile, claim)
  if (place.kind === 'bucket')
    await nodeFileSystem.rename(join(directory, nextFile), join(directory, claimFile))
  else await ignoringAbsence(() => nodeFileSystem.unlink(join(directory, claimFile)))
  await syncDirectory(directory, nodeFileSystem)
}

/** Where a move to `place`, which was stopped after its switch, may have left packs. */
export async function leftPackPlace(
  dataDir: string,
  place: PackPlace,
): Promise<PackPlace | undefined> {
  const directory = join(dataDir, 'cas')
  const last = await readClaim(directory, lastFile)
  if (last !== undefined) return { kind: 'bucket', bucket: last }
  const isLeft = place.kind === 'bucket' && (await hasPacks(directory))
  return isLeft ? { kind: 'directory', directory } : undefined
}

/** Lets another store have a bucket from which all packs went. */
export async function releasePlace(dataDir: string, place: PackPlace): Promise<void> {
  if (place.kind === 'directory') return
  const objects = await openBucket(place.bucket)
  try {
    await objects.remove(ownerKey)
  } finally {
    objects.close()
  }
  await ignoringAbsence(() => nodeFileSystem.unlink(join(dataDir, 'cas', lastFile)))
}

async function openBucket(bucket: BucketPlace): Promise<Bucket> {
  const { openS3Bucket } = await import('./s3-bucket.ts')
  return await openS3Bucket(bucket)
}

async function claimBucket(
  directory: string,
  bucket: BucketPlace,
  { objects, file }: { objects: Bucket; file: string },
): Promise<void> {
  const held = await readClaim(directory, file)
  const claim = held !== undefined && tellBucket(held) === tellBucket(bucket) ? held : undefined
  const found = await readMark(objects, ownerKey)
  if (found !== undefined && found !== claim?.owner) throw foreign(bucket)
  const owner = claim?.owner ?? randomBytes(16).toString('hex')
  // Here first: what is there and not here would be another store's.
  if (claim === undefined) await writeClaim(directory, file, { ...bucket, owner })
  if (found !== undefined || (await objects.writeNew(ownerKey, Buffer.from(owner)))) return
  if ((await readMark(objects, ownerKey)) !== owner) throw foreign(bucket)
}

function foreign(bucket: BucketPlace): Error {
  const place = tellBucket(bucket)
  return refused(
    `${place} holds the packs of another store, and each would delete those of the other. ` +
      `If that one is gone for good, delete the object ${place}/${ownerKey}`,
  )
}

function refused(reason: string): Error {
  return storeError('invalid_request', reason, { field: 'TROVE_S3_BUCKET' })
}

/** Errors: invalid_request. */
async function readClaim(directory: string, name: string): Promise<Claim | undefined> {
  const path = join(directory, name)
  const file = await ignoringAbsence(() => nodeFileSystem.open(path, 'read'))
  if (file === undefined) return undefined
  try {
    const bytes = Buffer.alloc(claimBytesMax)
    return JSON.parse(bytes.toString('utf8', 0, await readAll(file, bytes, 0))) as Claim
  } catch (error) {
    throw storeError(
      'invalid_request',
      `${path} cannot be read: ${String(error)}`,
      { field: 'data' },
      { cause: error },
    )
  } finally {
    await file.close()
  }
}

async function writeClaim(directory: string, name: string, claim: Claim): Promise<void> {
  await makeDirectory(directory, nodeFileSystem)
  const path = join(directory, name)
  const staged = `${path}.new`
  await ignoringAbsence(() => nodeFileSystem.unlink(staged))
  const file = await nodeFileSystem.open(staged, 'create')
  try {
    await writeAll(file, Buffer.from(`${JSON.stringify(claim)}\n`), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await nodeFileSystem.rename(staged, path)
  await syncDirectory(directory, nodeFileSystem)
}

async function hasPacks(directory: string): Promise<boolean> {
  const packs = join(directory, 'packs')
  for (const prefix of (await ignoringAbsence(() => nodeFileSystem.readdir(packs))) ?? []) {
    if (!/^[0-9a-f]{2}$/.test(prefix)) continue
    if ((await nodeFileSystem.readdir(join(packs, prefix))).length > 0) return true
  }
  return false
}
