/** The files of staging: their names, receiving bytes, and fixing an order of blocks. `staging.ts`
 *  defines what an upload is. */
import { createHash, randomBytes } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pLimit, { type LimitFunction } from 'p-limit'
import {
  hasCode,
  notFound,
  type StoreError,
  storeError,
  tooLarge,
  hasErrno,
} from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { asStoreError, ignoringAbsence } from '../../packs/local/errno.ts'
import type { RequireRoom } from '../../packs/watermark.ts'
import { removeStaged } from './remove-staged.ts'

export interface StagingArea {
  root: string
  /** Upper bound on the bytes of one upload. */
  uploadBytesMax: number
  requireRoom: RequireRoom | undefined
  /** By upload id. */
  ledgers: Map<string, Promise<Ledger>>
}

/** What an upload's blocks occupy. */
export interface Ledger {
  /** Bytes, including those of blocks still arriving. */
  heldBytes: number
  /** Number of complete blocks; each is a file, however small. */
  blocks: number
  /** Blocks take their names one at a time: a client may send one twice at once, which counts
   *  once. */
  naming: LimitFunction
  /** Why the upload accepts nothing more. */
  abandonedFor?: StoreError
}

/** Upload ids are 32 lower-case hex characters. */
export const uploadIdPattern: RegExp = /^[0-9a-f]{32}$/

/** Returns a path inside the directory of an upload. */
export function uploadPath(area: StagingArea, uploadId: string, ...rest: string[]): string {
  if (!uploadIdPattern.test(uploadId)) throw new RangeError(`not an upload id: ${uploadId}`)
  return join(area.root, uploadId, ...rest)
}

/** Creates the directory of an upload; a no-op when it exists. Errors: storage_full. */
export async function makeUpload(area: StagingArea, uploadId: string): Promise<void> {
  try {
    // Not `recursive`: with that, Node reports a full disk as ENOENT.
    await mkdir(uploadPath(area, uploadId))
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw translate(error, uploadId)
  }
}

/** Block ids are chosen by the client and may contain anything; their hash is a safe file name. */
export function blockFile(blockId: string): string {
  return `block-${createHash('sha256').update(blockId).digest('hex')}`
}

/** Returns an unused name, for what is still arriving. */
export function arrivingFile(): string {
  return `incoming-${randomBytes(8).toString('hex')}`
}

export function ordinalFile(ordinal: number): string {
  return String(ordinal).padStart(6, '0')
}

/** Returns what the upload holds, counted on disk once and kept up to date since. Errors:
 *  not_found. */
export async function ledgerOf(area: StagingArea, uploadId: string): Promise<Ledger> {
  let ledger = area.ledgers.get(uploadId)
  if (ledger === undefined) {
    ledger = translated(uploadId, countBlocks(uploadPath(area, uploadId)))
    area.ledgers.set(uploadId, ledger)
    // A failure may pass, so the next call counts again.
    ledger.catch(() => area.ledgers.delete(uploadId))
  }
  return await ledger
}

export interface Arrival<Kept> {
  /** Size of what the body replaces, which still exists meanwhile; without it, an upload of the
   *  maximum size could not be sent again. */
  replacedBytes: number
  /** Called with each chunk. */
  observe?: (chunk: Buffer) => void
  /** Gives the complete file its place. */
  keep(path: string, sizeBytes: number): Promise<Kept>
}

/** Writes `body` to a new file, which is then kept. Leaves nothing behind if either fails.
 *  Errors: not_found, too_large, storage_full, and those of `body` and `keep`. */
export async function receive<Kept>(
  area: StagingArea,
  uploadId: string,
  body: Readable,
  { replacedBytes, observe, keep }: Arrival<Kept>,
): Promise<Kept> {
  const path = uploadPath(area, uploadId, arrivingFile())
  const ledger = await ledgerOf(area, uploadId)
  const spareBytes = Math.min(replacedBytes, area.uploadBytesMax)
  let sizeBytes = 0
  const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      requireNotAbandoned(ledger)
      sizeBytes += chunk.length
      ledger.heldBytes += chunk.length
      refuseAbove(area.uploadBytesMax, ledger.heldBytes - spareBytes)
      await area.requireRoom?.(chunk.length)
      observe?.(chunk)
      yield chunk
    }
  }
  try {
    // Opened first: a stream that opens its file itself may create it after the body has failed and
    // the file was removed below.
    const file = await open(path, 'wx')
    await pipeline(body, count, file.createWriteStream({ highWaterMark: limits.bodyAheadBytes }))
    return await keep(path, sizeBytes)
  } catch (error) {
    ledger.heldBytes -= sizeBytes
    await rm(path, { force: true })
    const failure = translate(error, uploadId)
    if (hasCode(failure, 'storage_full')) await abandon(area, uploadId, failure)
    throw failure
  }
}

/** Drops the bytes of an upload that ran out of disk space: its client does not retry, and the disk
 *  would stay full for as long as the upload lives. Later requests for it fail with `reason`.
 *  Errors: not_found. */
export async function abandon(
  area: StagingArea,
  uploadId: string,
  reason: StoreError,
): Promise<void> {
  const ledger = await ledgerOf(area, uploadId)
  ledger.abandonedFor = reason
  const directory = uploadPath(area, uploadId)
  for (const name of await translated(uploadId, readdir(directory)))
    await removeStaged(join(directory, name))
}

/** Errors: storage_full. */
export function requireNotAbandoned({ abandonedFor }: Ledger): void {
  if (abandonedFor !== undefined) throw abandonedFor
}

/** Links each block under its ordinal into a new directory; returns the directory and the total
 *  size.
 *  Errors: unknown_block, not_found, too_large, storage_full. */
export async function linkBlocks(
  area: StagingArea,
  uploadId: string,
  blockIds: string[],
): Promise<{ path: string; sizeBytes: number }> {
  requireNotAbandoned(await ledgerOf(area, uploadId))
  const path = uploadPath(area, uploadId, arrivingFile())
  await translated(uploadId, mkdir(path))
  let sizeBytes = 0
  try {
    for (const [ordinal, blockId] of blockIds.entries()) {
      const linked = join(path, ordinalFile(ordinal))
      await linkBlock(uploadPath(area, uploadId, blockFile(blockId)), linked, blockId)
      sizeBytes += (await stat(linked)).size
    }
    refuseAbove(area.uploadBytesMax, sizeBytes)
  } catch (error) {
    await removeStaged(path)
    throw translate(error, uploadId)
  }
  return { path, sizeBytes }
}

async function linkBlock(block: string, linked: string, blockId: string): Promise<void> {
  try {
    await link(block, linked)
  } catch (error) {
    if (hasErrno(error, 'EMLINK')) throw await namedTooOften(block, blockId)
    if (!hasErrno(error, 'ENOENT')) throw error
    throw storeError('unknown_block', `block ${blockId} of the list was never received`, {
      blockId,
    })
  }
}

/** Errors: too_large. */
export function requireRoomForBlock({ blocks }: Ledger): void {
  const { stagedBlocksMax: max } = limits
  if (blocks < max) return
  throw tooLarge('blocks of an upload', max, `an upload may have at most ${max} blocks`)
}

/** The maximum number of hard links depends on the file system: 65,000 on ext4. */
async function namedTooOften(block: string, blockId: string): Promise<Error> {
  const limitValue = (await stat(block)).nlink
  const reason = `block ${blockId} occurs more than ${limitValue} times in the block lists of the upload`
  return tooLarge('times that one block is named', limitValue, reason)
}

/** Renames a directory to its final name, or removes it. Returns false when a directory with the
 *  same bytes has that name. */
export async function giveName(path: string, final: string): Promise<boolean> {
  try {
    await rename(path, final)
    return true
  } catch (error) {
    await removeStaged(path)
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error
    return false
  }
}

/** Returns undefined when the file does not exist. */
export async function sizeOf(path: string): Promise<number | undefined> {
  return (await ignoringAbsence(() => stat(path)))?.size
}

/** Awaits `work`; translates its system errors.
 *  Errors: not_found, storage_full; any other unchanged. */
export async function translated<T>(uploadId: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw translate(error, uploadId)
  }
}

async function countBlocks(directory: string): Promise<Ledger> {
  const ledger = { heldBytes: 0, blocks: 0, naming: pLimit(1) }
  for (const name of await readdir(directory)) {
    if (!name.startsWith('block-')) continue
    ledger.heldBytes += (await sizeOf(join(directory, name))) ?? 0
    ledger.blocks += 1
  }
  return ledger
}

function refuseAbove(maxBytes: number, bytes: number): void {
  if (bytes <= maxBytes) return
  const reason = `the upload is larger than ${maxBytes} bytes (TROVE_MAX_ARTIFACT)`
  throw tooLarge('bytes of an upload', maxBytes, reason, 'TROVE_MAX_ARTIFACT')
}

function translate(error: unknown, uploadId: string): unknown {
  if (hasErrno(error, 'ENOENT')) {
    const message = `upload ${uploadId} is not open`
    return notFound('upload', message, { cause: error })
  }
  return asStoreError(`upload ${uploadId}`, error)
}
