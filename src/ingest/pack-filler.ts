/** Fills packs with the new streams of one upload: a full pack is sealed (durable) and only then
 *  registered, while the next one is filled. Calls must not overlap. Memory: the records of two
 *  packs. */
import { type BlobFacts, type NewCopy, type StreamKey, streamKey } from '../core/bytes/copy.ts'
import type { Digest } from '../core/bytes/digest.ts'
import { limits } from '../core/limits.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { PackBody } from '../packs/format/member-writer.ts'
import { type PackWriter, openPackWriter } from '../packs/format/pack-format.ts'
import type { PackStore } from '../packs/pack-store.ts'
import { healThese } from './heal.ts'
import { registering } from './registering.ts'

/** A stream to be placed in a pack. */
export type NewStream = Omit<NewCopy, 'offset'>

export interface PackFiller {
  /** Appends a stream that neither the store nor an earlier call has. */
  append(stream: NewStream, body: PackBody): Promise<void>
  /** Whether a joining stream of this blob was appended but is not registered yet. */
  holdsJoining(digest: Digest): boolean
  /** The blob of a foreign stream that was appended but is not registered yet. */
  heldStream(key: StreamKey): BlobFacts | undefined
  /** Seals and registers the last pack. Returns the pack bytes that all calls added. */
  finish(): Promise<{ newBytes: number }>
  /** Drops what is not sealed. Never throws. */
  abort(): Promise<void>
}

export interface PackFillerOptions {
  metadata: Metadata
  packs: PackStore
  sessionId: string
  checkpoint?: ((name: string) => void | Promise<void>) | undefined
}

/** A pack being filled: its writer, and the streams in it that are not yet registered. */
interface OpenPack {
  writer: PackWriter
  copies: NewCopy[]
  joining: Set<Digest>
  streams: Map<StreamKey, BlobFacts>
}

export function createPackFiller(options: PackFillerOptions): PackFiller {
  let open: OpenPack | undefined
  let sealing: { pack: OpenPack; done: Promise<number> } | undefined
  let newBytes = 0

  const settleSealing = async (): Promise<void> => {
    if (sealing === undefined) return
    newBytes += await sealing.done
    sealing = undefined
  }

  /** Starts sealing the open pack; the next one can be filled meanwhile. */
  const rotate = async (): Promise<void> => {
    await settleSealing()
    if (open === undefined) return
    const pack = open
    open = undefined
    const done = sealAndRegister(pack, options)
    // Whoever awaits `sealing` sees a failure; without this handler it would also be an unhandled
    // rejection.
    done.catch(() => {})
    sealing = { pack, done }
  }

  return {
    append: async (copy, body) => {
      open ??= await openPack(options.packs)
      await appendTo(open, copy, body)
      const { bytesWritten, copyCount } = open.writer
      if (bytesWritten >= limits.packTargetBytes || copyCount >= limits.packCopiesMax) {
        await rotate()
      }
    },
    holdsJoining: (digest) =>
      open?.joining.has(digest) === true || sealing?.pack.joining.has(digest) === true,
    heldStream: (key) => open?.streams.get(key) ?? sealing?.pack.streams.get(key),
    finish: async () => {
      await rotate()
      await settleSealing()
      return { newBytes }
    },
    abort: async () => {
      await sealing?.done.catch(() => {})
      // A no-op for a sealed pack; one whose seal failed still has its bytes in staging.
      await sealing?.pack.writer.abort()
      await open?.writer.abort()
    },
  }
}

async function openPack(packs: PackStore): Promise<OpenPack> {
  return {
    writer: await openPackWriter(packs),
    copies: [],
    joining: new Set(),
    streams: new Map(),
  }
}

async function appendTo(pack: OpenPack, copy: NewStream, body: PackBody): Promise<void> {
  const { blob, codec, lengthBytes } = copy
  const { offset } = await pack.writer.append(
    {
      blobDigest: blob.digest,
      codec,
      crc32: blob.crc32,
      sizeBytes: blob.sizeBytes,
      lengthBytes,
    },
    body,
  )
  pack.copies.push({ ...copy, offset })
  if (codec === 'joining') pack.joining.add(blob.digest)
  else pack.streams.set(streamKey(copy), blob)
}

/** Bytes first, rows after (invariant 1). Returns the size of the pack. */
async function sealAndRegister(pack: OpenPack, options: PackFillerOptions): Promise<number> {
  const { metadata, sessionId, checkpoint } = options
  await checkpoint?.('pack-filled')
  const sealed = await pack.writer.seal()
  await checkpoint?.('pack-sealed')
  const damaged = await registering(
    options,
    sealed.name,
    async () => await metadata.addPack(sessionId, sealed, pack.copies),
  )
  // Content that replaces a damaged stream must be readable before a manifest refers to it.
  await healThese(metadata, damaged)
  await checkpoint?.('pack-registered')
  return sealed.sizeBytes
}
