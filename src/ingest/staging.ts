/** Staging: bytes that stock clients have sent but that are no artifact yet, on the file system of the packs.
 *
 *    <data>/cas/staging/uploads/<upload id>/incoming-<random>      a block that is arriving
 *                                          /block-<hash of its id> a whole block; the last write wins
 *                                          /list-<digest>/<nnnnnn> the accepted blocks in list order, hard links
 *                                          /refused                 Finalize found that these bytes are no artifact
 *
 *  The links fix the bytes: a block that is sent again later replaces `block-…`, never what a list has accepted.
 *  Nothing is synced here: FinalizeArtifact checks length and digest, so bytes lost with the power cannot become an
 *  artifact. */
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { createDigestHasher, digestOf, type Digest } from '../core/digest.ts'
import type { StoreError } from '../core/errors.ts'
import type { RequireRoom } from '../packs/watermark.ts'
import type { StagedBytes } from './job.ts'
import {
  arrivingFile,
  blockFile,
  giveUp,
  ledgerOf,
  linkBlocks,
  makeUpload,
  ordinalFile,
  publish,
  receive,
  refuseGivenUp,
  requireBlock,
  sizeOf,
  type StagingArea,
  translated,
  uploadIdPattern,
  uploadPath,
} from './staging-area.ts'

/** Moments at which a crash must leave nothing half done; tests stop the process there. */
export type StagingStep = 'block-received' | 'block-staged' | 'list-linked' | 'list-accepted'

export interface Staging {
  /** Makes room for an upload. Harmless when it is there. Errors: storage_full. */
  openUpload(uploadId: string): Promise<void>
  /** Keeps `body` as the block of that id; an earlier one of the id is replaced. Calls for one upload may overlap.
   *  Errors: not_found (no such upload), too_large, storage_full, and whatever `body` fails with. */
  writeBlock(uploadId: string, blockId: string, body: Readable): Promise<void>
  /** Keeps `body` as all the upload's bytes; answers the digest that `readAssembled` takes.
   *  Errors: as `writeBlock`. */
  writeWhole(uploadId: string, body: Readable): Promise<{ digest: Digest; sizeBytes: number }>
  /** Fixes the upload's bytes as those blocks in that order. Repeating it changes nothing.
   *  Errors: unknown_block, not_found, too_large, storage_full. */
  assemble(uploadId: string, blockIds: string[]): Promise<{ digest: Digest; sizeBytes: number }>
  /** The digest that `assemble` answers for these blocks. */
  listDigest(blockIds: string[]): Digest
  /** The bytes that `assemble` or `writeWhole` fixed. Errors: not_found, storage_full. */
  readAssembled(uploadId: string, digest: Digest): Promise<StagedBytes>
  /** After a restart: drops what was arriving, and accepted bytes too unless `isAccepted`, because then their acceptance
   *  never reached the database. Whole blocks stay. Errors: not_found. */
  tidyUpload(uploadId: string, upload: { isAccepted: boolean }): Promise<void>
  /** Gives back the bytes of an upload for which there was no room; whatever it is asked for afterwards fails with `reason`,
   *  until a restart has forgotten it. A block or body that finds no room does the same. Errors: not_found. */
  giveUp(uploadId: string, reason: StoreError): Promise<void>
  /** Notes that the accepted bytes were refused for good, so that a restart need not keep them. */
  markRefused(uploadId: string): Promise<void>
  wasRefused(uploadId: string): Promise<boolean>
  removeUpload(uploadId: string): Promise<void>
  listUploads(): Promise<string[]>
}

export interface StagingOptions {
  /** Of all bytes that one upload may hold, and the setting that moves the bound. */
  uploadBytesMax: number
  /** Asked before bytes are written. */
  requireRoom?: RequireRoom
  checkpoint?: ((step: StagingStep) => void | Promise<void>) | undefined
}

/** `root` is made when it is missing, and must lie on one file system. */
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
      if (replacedBytes === undefined) requireBlock(await ledgerOf(area, id))
      const received = await receive(area, id, body, { replacedBytes: replacedBytes ?? 0 })
      await reach('block-received')
      await replaceBlock(area, id, received.path, blockId)
      await reach('block-staged')
    },
    writeWhole: async (id, body) => {
      const whole = await receiveWhole(area, id, body)
      await reach('list-linked')
      return whole
    },
    listDigest: digestOfList,
    assemble: async (id, blockIds) => {
      const { path, sizeBytes } = await linkBlocks(area, id, blockIds)
      const digest = digestOfList(blockIds)
      await translated(id, publish(path, listPath(area, id, digest)))
      await reach('list-linked')
      return { digest, sizeBytes }
    },
    readAssembled: async (id, digest) => {
      refuseGivenUp(await ledgerOf(area, id))
      return await readList(id, listPath(area, id, digest))
    },
    tidyUpload: async (id, { isAccepted }) => {
      for (const name of await translated(id, readdir(uploadPath(area, id)))) {
        const stays = name.startsWith('block-') || name === refusedFile
        if (stays || (isAccepted && name.startsWith('list-'))) continue
        await rm(uploadPath(area, id, name), { recursive: true, force: true })
      }
    },
    giveUp: async (id, reason) => {
      await giveUp(area, id, reason)
    },
    markRefused: async (id) => {
      await translated(id, writeFile(uploadPath(area, id, refusedFile), ''))
    },
    wasRefused: async (id) => (await sizeOf(uploadPath(area, id, refusedFile))) !== undefined,
    removeUpload: async (id) => {
      area.ledgers.delete(id)
      // A block that arrives meanwhile can put a file into a directory that is being emptied.
      await rm(uploadPath(area, id), { recursive: true, force: true, maxRetries: 5 })
    },
    listUploads: async () => (await readdir(root)).filter((name) => uploadIdPattern.test(name)),
  }
}

const refusedFile = 'refused'

function listPath(area: StagingArea, uploadId: string, digest: Digest): string {
  return uploadPath(area, uploadId, `list-${digest}`)
}

function digestOfList(blockIds: string[]): Digest {
  return digestOf(blockIds.map((id) => `${Buffer.byteLength(id)}:${id},`).join(''))
}

async function replaceBlock(
  area: StagingArea,
  uploadId: string,
  received: string,
  blockId: string,
): Promise<void> {
  const path = uploadPath(area, uploadId, blockFile(blockId))
  const replacedBytes = await sizeOf(path)
  await translated(uploadId, rename(received, path))
  const ledger = await ledgerOf(area, uploadId)
  if (replacedBytes === undefined) ledger.blocks += 1
  else ledger.heldBytes -= replacedBytes
  if (ledger.givenUp === undefined) return
  // It was whole just when another found no room.
  await rm(path, { force: true })
  throw ledger.givenUp
}

async function receiveWhole(
  area: StagingArea,
  uploadId: string,
  body: Readable,
): Promise<{ digest: Digest; sizeBytes: number }> {
  const hasher = createDigestHasher()
  const { path, sizeBytes } = await receive(area, uploadId, body, {
    replacedBytes: (await ledgerOf(area, uploadId)).heldBytes,
    observe: (chunk) => {
      hasher.update(chunk)
    },
  })
  const digest = hasher.digest()
  const directory = uploadPath(area, uploadId, arrivingFile())
  await translated(uploadId, mkdir(directory))
  await translated(uploadId, rename(path, join(directory, ordinalFile(0))))
  const isNew = await translated(uploadId, publish(directory, listPath(area, uploadId, digest)))
  if (!isNew) (await ledgerOf(area, uploadId)).heldBytes -= sizeBytes
  return { digest, sizeBytes }
}

async function readList(uploadId: string, directory: string): Promise<StagedBytes> {
  const names = (await translated(uploadId, readdir(directory))).sort()
  const files: StagedBytes['files'] = []
  for (const name of names) {
    const path = join(directory, name)
    files.push({ path, sizeBytes: (await stat(path)).size })
  }
  return { files }
}
