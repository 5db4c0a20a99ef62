/** Staging: bytes that stock clients have sent but that are not an artifact yet, on the file system
 *  of the packs.
 *
 *    <data>/cas/staging/uploads/<upload id>/incoming-<random>        a block that is arriving
 *                                          /block-<hash of its id>   a block; the last write wins
 *                                          /list-<digest>/<nnnnnn>   links to the accepted blocks
 *                                          /refused                  Finalize rejected the bytes
 *
 *  The body of a request that waits for its turn is there too (`kept-body.ts`).
 *
 *  The links, which are hard links in list order, fix the bytes: sending a block again replaces
 *  `block-…`, never what a list has accepted. Nothing is synced here: FinalizeArtifact checks
 *  length and digest, so bytes lost in a power failure cannot become an artifact. */
import { access, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createDigestHasher, type Digest } from '../../core/bytes/digest.ts'
import type { StoreError } from '../../core/errors.ts'
import { slicesOf } from '../../core/slices.ts'
import { nextTurn } from '../../core/turn.ts'
import type { RequireRoom } from '../../packs/watermark.ts'
import type { StagedBytes } from '../job.ts'
import { keepBody, type KeptBody } from './kept-body.ts'
import { removeStaged } from './remove-staged.ts'
import {
  arrivingFile,
  blockFile,
  abandon,
  giveName,
  ledgerOf,
  linkBlocks,
  makeUpload,
  ordinalFile,
  receive,
  requireNotAbandoned,
  requireRoomForBlock,
  sizeOf,
  type StagingArea,
  translated,
  uploadIdPattern,
  uploadPath,
} from './staging-area.ts'

/** Steps at which a crash must leave nothing half done; tests stop the process there. */
export type StagingStep = 'block-received' | 'block-staged' | 'list-linked' | 'list-accepted'

export interface Staging {
  /** Creates an upload; a no-op when it exists. Errors: storage_full. */
  openUpload(uploadId: string): Promise<void>
  /** Stores `body` as the block with that id, replacing an earlier one. Calls for one upload may
   *  overlap.
   *  Errors: not_found (no such upload), too_large, storage_full, and those of `body`. */
  writeBlock(uploadId: string, blockId: string, body: Readable): Promise<void>
  /** Stores `body` as all of the upload's bytes; returns the digest to pass to `readAssembled`.
   *  Errors: as `writeBlock`. */
  writeWhole(uploadId: string, body: Readable): Promise<{ digest: Digest; sizeBytes: number }>
  /** See `keepBody`. */
  keepBody(body: Readable, signal?: AbortSignal): Promise<KeptBody>
  /** Fixes the upload's bytes as those blocks in that order. Idempotent.
   *  Errors: unknown_block, not_found, too_large, storage_full. */
  assemble(uploadId: string, blockIds: string[]): Promise<{ digest: Digest; sizeBytes: number }>
  /** The digest that `assemble` returns for these blocks. */
  listDigest(blockIds: string[]): Promise<Digest>
  /** Returns the bytes that `assemble` or `writeWhole` fixed. Errors: not_found, storage_full. */
  readAssembled(uploadId: string, digest: Digest): Promise<StagedBytes>
  /** After a restart: removes what was arriving, and accepted bytes too unless `isAccepted`,
   *  because then their acceptance never reached the database. Complete blocks stay.
   *  Errors: not_found. */
  tidyUpload(uploadId: string, upload: { isAccepted: boolean }): Promise<void>
  /** Drops the bytes of an upload that ran out of disk space. All later calls for it fail with
   *  `reason` until a restart. A block or body that runs out of space does this too.
   *  Errors: not_found. */
  abandon(uploadId: string, reason: StoreError): Promise<void>
  /** Records that the accepted bytes were rejected for good, so that a restart need not keep
   *  them. */
  markRefused(uploadId: string): Promise<void>
  wasRefused(uploadId: string): Promise<boolean>
  removeUpload(uploadId: string): Promise<void>
  listUploads(): Promise<string[]>
}

export interface StagingOptions {
  /** Upper bound on all bytes of one upload (TROVE_MAX_ARTIFACT). */
  uploadBytesMax: number
  /** Called before bytes are written. */
  requireRoom?: RequireRoom
  checkpoint?: ((step: StagingStep) => void | Promise<void>) | undefined
}

/** `root` is created if it is missing; it must lie on one file system. */
export async function openStaging(root: string, options: StagingOptions): Promise<Staging> {
  await mkdir(root, { recursive: true })
  const { uploadBytesMax, requireRoom } = options
  const area: StagingArea = { root, uploadBytesMax, requireRoom, ledgers: new Map() }
  const reach = async (step: StagingStep): Promise<void> => {
    await options.checkpoint?.(step)
  }
  return {
    openUpload: async (id) => {
      await makeUpload(area, id)
    },
    writeBlock: async (id, blockId, body) => {
      const replacedBytes = await sizeOf(uploadPath(area, id, blockFile(blockId)))
      if (replacedBytes === undefined) requireRoomForBlock(await ledgerOf(area, id))
      await receive(area, id, body, {
        replacedBytes: replacedBytes ?? 0,
        keep: async (path) => {
          await reach('block-received')
          await replaceBlock(area, id, path, blockId)
        },
      })
      await reach('block-staged')
    },
    writeWhole: async (id, body) => {
      const whole = await receiveWhole(area, id, body)
      await reach('list-linked')
      return whole
    },
    keepBody: async (body, signal) => await keepBody(area, body, signal),
    listDigest: digestOfList,
    assemble: async (id, blockIds) => {
      const { path, sizeBytes } = await linkBlocks(area, id, blockIds)
      const digest = await digestOfList(blockIds)
      await translated(id, giveName(path, listPath(area, id, digest)))
      await reach('list-linked')
      return { digest, sizeBytes }
    },
    readAssembled: async (id, digest) => {
      requireNotAbandoned(await ledgerOf(area, id))
      const directory = listPath(area, id, digest)
      await translated(id, access(directory))
      return { directory }
    },
    tidyUpload: async (id, { isAccepted }) => {
      for (const name of await translated(id, readdir(uploadPath(area, id)))) {
        const stays = name.startsWith('block-') || name === refusedFile
        if (stays || (isAccepted && name.startsWith('list-'))) continue
        await removeStaged(uploadPath(area, id, name))
      }
    },
    abandon: async (id, reason) => {
      await abandon(area, id, reason)
    },
    markRefused: async (id) => {
      await translated(id, writeFile(uploadPath(area, id, refusedFile), ''))
    },
    wasRefused: async (id) => (await sizeOf(uploadPath(area, id, refusedFile))) !== undefined,
    removeUpload: async (id) => {
      area.ledgers.delete(id)
      await removeStaged(uploadPath(area, id))
    },
    listUploads: async () => (await readdir(root)).filter((name) => uploadIdPattern.test(name)),
  }
}

const refusedFile = 'refused'

function listPath(area: StagingArea, uploadId: string, digest: Digest): string {
  return uploadPath(area, uploadId, `list-${digest}`)
}

async function digestOfList(blockIds: string[]): Promise<Digest> {
  const hasher = createDigestHasher()
  for (const slice of slicesOf(blockIds, idsPerTurn)) {
    hasher.update(Buffer.from(slice.map((id) => `${Buffer.byteLength(id)}:${id},`).join('')))
    await nextTurn()
  }
  return hasher.digest()
}

/** Block ids that are hashed in one turn of the event loop: about a millisecond. */
const idsPerTurn = 4096

async function replaceBlock(
  area: StagingArea,
  uploadId: string,
  received: string,
  blockId: string,
): Promise<void> {
  const path = uploadPath(area, uploadId, blockFile(blockId))
  const ledger = await ledgerOf(area, uploadId)
  const named = ledger.naming(async () => {
    const replacedBytes = await sizeOf(path)
    await rename(received, path)
    if (replacedBytes === undefined) ledger.blocks += 1
    else ledger.heldBytes -= replacedBytes
  })
  // The block was complete just when another one ran out of space: its file is gone already, or was
  // renamed unseen.
  await named.catch((error: unknown) => {
    throw ledger.abandonedFor ?? error
  })
  if (ledger.abandonedFor === undefined) return
  await rm(path, { force: true })
  throw ledger.abandonedFor
}

async function receiveWhole(
  area: StagingArea,
  uploadId: string,
  body: Readable,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const hasher = createDigestHasher()
  const ledger = await ledgerOf(area, uploadId)
  return await receive(area, uploadId, body, {
    replacedBytes: ledger.heldBytes,
    observe: (chunk) => {
      hasher.update(chunk)
    },
    keep: async (path, sizeBytes) => {
      const digest = hasher.digest()
      const directory = uploadPath(area, uploadId, arrivingFile())
      await mkdir(directory)
      await rename(path, join(directory, ordinalFile(0)))
      const isNew = await giveName(directory, listPath(area, uploadId, digest))
      if (!isNew) ledger.heldBytes -= sizeBytes
      return { digest, sizeBytes }
    },
  })
}
