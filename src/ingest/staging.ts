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
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { link, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createDigestHasher, digestOf, type Digest } from '../core/digest.ts'
import { storeError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { StagedBytes } from './job.ts'

/** Moments at which a crash must leave nothing half done; tests stop the process there. */
export type StagingStep = 'block-received' | 'block-staged' | 'list-linked' | 'list-accepted'

export interface Staging {
  /** Makes room for an upload. Harmless when it is there. */
  openUpload(uploadId: string): Promise<void>
  /** Keeps `body` as the block of that id; an earlier one of the id is replaced. Calls for one upload may overlap.
   *  Errors: not_found (no such upload), too_large, storage_full, and whatever `body` fails with. */
  writeBlock(uploadId: string, blockId: string, body: Readable): Promise<void>
  /** Keeps `body` as all the upload's bytes; answers the digest that `readAssembled` takes.
   *  Errors: as `writeBlock`. */
  writeWhole(uploadId: string, body: Readable): Promise<{ digest: Digest; sizeBytes: number }>
  /** Fixes the upload's bytes as those blocks in that order. Repeating it changes nothing.
   *  Errors: unknown_block, not_found, too_large. */
  assemble(uploadId: string, blockIds: string[]): Promise<{ digest: Digest; sizeBytes: number }>
  /** The digest that `assemble` answers for these blocks. */
  listDigest(blockIds: string[]): Digest
  /** The bytes that `assemble` or `writeWhole` fixed. Errors: not_found. */
  readAssembled(uploadId: string, digest: Digest): Promise<StagedBytes>
  /** After a restart: drops what was arriving, and accepted bytes too unless `isAccepted`, because then their acceptance
   *  never reached the database. Whole blocks stay. Errors: not_found. */
  tidyUpload(uploadId: string, upload: { isAccepted: boolean }): Promise<void>
  /** Notes that the accepted bytes were refused for good, so that a restart need not keep them. */
  markRefused(uploadId: string): Promise<void>
  wasRefused(uploadId: string): Promise<boolean>
  removeUpload(uploadId: string): Promise<void>
  listUploads(): Promise<string[]>
}

export interface StagingOptions {
  /** Of all bytes that one upload may hold, and the setting that moves the bound. */
  uploadBytesMax: number
  checkpoint?: ((step: StagingStep) => void | Promise<void>) | undefined
}

/** Bytes that an upload's blocks take, those that are arriving included. */
interface Ledger {
  heldBytes: number
}

/** `root` is made when it is missing, and must lie on one file system. */
export async function openStaging(root: string, options: StagingOptions): Promise<Staging> {
  await mkdir(root, { recursive: true })
  const ledgers = new Map<string, Promise<Ledger>>()
  const pathOf = (uploadId: string, ...rest: string[]): string =>
    join(root, checkedId(uploadId), ...rest)
  const temporaryOf = (uploadId: string): string =>
    pathOf(uploadId, `incoming-${randomBytes(8).toString('hex')}`)
  const reach = async (step: StagingStep): Promise<void> => {
    await options.checkpoint?.(step)
  }

  function ledgerOf(uploadId: string): Promise<Ledger> {
    const known = ledgers.get(uploadId)
    if (known !== undefined) return known
    const opened = measure(pathOf(uploadId)).then((heldBytes) => ({ heldBytes }))
    ledgers.set(uploadId, opened)
    return opened
  }

  /** Writes `body` to a file of its own and shows each chunk to `observe`. */
  async function receive(
    uploadId: string,
    body: Readable,
    observe: (chunk: Buffer) => void,
  ): Promise<{ path: string; sizeBytes: number }> {
    const path = temporaryOf(uploadId)
    const ledger = await translated(uploadId, ledgerOf(uploadId))
    let sizeBytes = 0
    const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        sizeBytes += chunk.length
        ledger.heldBytes += chunk.length
        refuseAbove(options.uploadBytesMax, ledger.heldBytes)
        observe(chunk)
        yield chunk
      }
    }
    try {
      const file = createWriteStream(path, { flags: 'wx', highWaterMark: limits.readWindowBytes })
      await pipeline(body, count, file)
    } catch (error) {
      ledger.heldBytes -= sizeBytes
      await rm(path, { force: true })
      throw translate(error, uploadId)
    }
    return { path, sizeBytes }
  }

  return {
    openUpload: async (uploadId) => {
      await mkdir(pathOf(uploadId), { recursive: true })
    },

    writeBlock: async (uploadId, blockId, body) => {
      const received = await receive(uploadId, body, () => undefined)
      await reach('block-received')
      const path = pathOf(uploadId, blockFile(blockId))
      const replacedBytes = (await sizeOf(path)) ?? 0
      await translated(uploadId, rename(received.path, path))
      const ledger = await ledgerOf(uploadId)
      ledger.heldBytes -= replacedBytes
      await reach('block-staged')
    },

    writeWhole: async (uploadId, body) => {
      const hasher = createDigestHasher()
      const { path, sizeBytes } = await receive(uploadId, body, hasher.update)
      const digest = hasher.digest()
      const staging = temporaryOf(uploadId)
      await translated(uploadId, mkdir(staging))
      await translated(uploadId, rename(path, join(staging, ordinalFile(0))))
      await publish(staging, pathOf(uploadId, `list-${digest}`))
      await reach('list-linked')
      return { digest, sizeBytes }
    },

    listDigest: digestOfList,

    assemble: async (uploadId, blockIds) => {
      const digest = digestOfList(blockIds)
      const staging = temporaryOf(uploadId)
      await translated(uploadId, mkdir(staging))
      try {
        const sizeBytes = await linkBlocks(pathOf(uploadId), staging, blockIds)
        refuseAbove(options.uploadBytesMax, sizeBytes)
        await publish(staging, pathOf(uploadId, `list-${digest}`))
        await reach('list-linked')
        return { digest, sizeBytes }
      } finally {
        await rm(staging, { recursive: true, force: true })
      }
    },

    readAssembled: async (uploadId, digest) => {
      const directory = pathOf(uploadId, `list-${digest}`)
      const names = (await translated(uploadId, readdir(directory))).sort()
      const files: StagedBytes['files'] = []
      for (const name of names) {
        const path = join(directory, name)
        files.push({ path, sizeBytes: (await stat(path)).size })
      }
      return { files }
    },

    tidyUpload: async (uploadId, { isAccepted }) => {
      for (const name of await translated(uploadId, readdir(pathOf(uploadId)))) {
        if (
          name.startsWith('block-') ||
          name === refusedFile ||
          (isAccepted && name.startsWith('list-'))
        )
          continue
        await rm(pathOf(uploadId, name), { recursive: true, force: true })
      }
    },

    markRefused: async (uploadId) => {
      await translated(uploadId, writeFile(pathOf(uploadId, refusedFile), ''))
    },

    wasRefused: async (uploadId) => (await sizeOf(pathOf(uploadId, refusedFile))) !== undefined,

    removeUpload: async (uploadId) => {
      ledgers.delete(uploadId)
      // A block that arrives meanwhile can put a file into a directory that is being emptied.
      await rm(pathOf(uploadId), { recursive: true, force: true, maxRetries: 5 })
    },

    listUploads: async () => (await readdir(root)).filter((name) => uploadIdPattern.test(name)),
  }
}

function digestOfList(blockIds: string[]): Digest {
  return digestOf(blockIds.map((id) => `${Buffer.byteLength(id)}:${id},`).join(''))
}

const refusedFile = 'refused'

/** Links each block under its ordinal; answers the sum of their sizes. */
async function linkBlocks(directory: string, target: string, blockIds: string[]): Promise<number> {
  let sizeBytes = 0
  for (const [ordinal, blockId] of blockIds.entries()) {
    const linked = join(target, ordinalFile(ordinal))
    try {
      await link(join(directory, blockFile(blockId)), linked)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw storeError('unknown_block', `block ${blockId} of the list was never received`, {
        blockId,
      })
    }
    sizeBytes += (await stat(linked)).size
  }
  return sizeBytes
}

/** A second acceptance of the same list finds the first one's directory, which holds the same blocks. */
async function publish(staging: string, final: string): Promise<void> {
  try {
    await rename(staging, final)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
    await rm(staging, { recursive: true, force: true })
  }
}

/** Bytes of the blocks of an upload that an earlier process received. */
async function measure(directory: string): Promise<number> {
  let total = 0
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) {
    if (name.startsWith('block-')) total += (await sizeOf(join(directory, name))) ?? 0
  }
  return total
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Block ids are the client's and may hold anything; their hash may be a file name. */
function blockFile(blockId: string): string {
  return `block-${createHash('sha256').update(blockId).digest('hex')}`
}

function ordinalFile(ordinal: number): string {
  return String(ordinal).padStart(6, '0')
}

const uploadIdPattern = /^[0-9a-f]{32}$/

function checkedId(uploadId: string): string {
  if (!uploadIdPattern.test(uploadId)) throw new RangeError(`not an upload id: ${uploadId}`)
  return uploadId
}

function refuseAbove(maxBytes: number, bytes: number): void {
  if (bytes <= maxBytes) return
  throw storeError(
    'too_large',
    `the upload is larger than ${maxBytes} bytes (TROVE_MAX_ARTIFACT)`,
    {
      limit: 'bytes of an upload',
      limitValue: maxBytes,
      setting: 'TROVE_MAX_ARTIFACT',
    },
  )
}

async function translated<T>(uploadId: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw translate(error, uploadId)
  }
}

function translate(error: unknown, uploadId: string): unknown {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') {
    return storeError(
      'not_found',
      `upload ${uploadId} is not open`,
      { what: 'upload' },
      { cause: error },
    )
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return storeError(
      'storage_full',
      'the disk of the store is full',
      { neededBytes: null },
      { cause: error },
    )
  }
  return error
}
