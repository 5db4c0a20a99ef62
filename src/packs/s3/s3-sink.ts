/** Writes one pack, or a snapshot of the metadata, to a bucket: a short one with a single request,
 *  a longer one as a multipart upload whose parts are sent while it grows and are invisible until
 *  it is complete. Either way, once `seal` resolves it is complete and durable. */
import assert from 'node:assert'
import { createHash, type Hash } from 'node:crypto'
import { hasCode, storeError } from '../../core/errors.ts'
import type { Bucket, PartedUpload, UploadedPart } from './bucket.ts'
import type { PackName, PackSink, SealedPack } from '../pack-store.ts'

/** Size of all parts but the last; services allow 10,000 parts per object. */
export const partBytes: number = 8 * 1024 * 1024
/** Parts sent concurrently while the next one is filled. */
const sendingMax = 2

export interface S3SinkOptions {
  name: PackName
  key: string
  bucket: Bucket
  /** Whether an abort removes an object that may exist although its seal seemed to fail. The
   *  service may do that late, so nothing else may ever be written there. */
  removesDoubtful: boolean
}

interface FillingPart {
  bytes: Buffer
  length: number
  /** Updated as bytes arrive: hashing a whole part at once would block the thread for 13 ms. */
  md5: Hash
}

export function createS3Sink(options: S3SinkOptions): PackSink {
  const { name, key, bucket, removesDoubtful } = options
  let sizeBytes = 0
  let part = emptyPart()
  let upload: PartedUpload | undefined
  const sending = new Set<Promise<void>>()
  const parts: UploadedPart[] = []
  let nextNumber = 1
  let failure: { error: unknown } | undefined
  let state: 'open' | 'sealing' | 'sealed' | 'aborted' = 'open'
  let sealing: Promise<unknown> = Promise.resolve()

  const sendPart = async (): Promise<void> => {
    const { bytes, length, md5 } = part
    part = emptyPart()
    const number = nextNumber++
    upload ??= { key, id: await bucket.beginUpload(key) }
    const sent = bucket
      .writePart(upload, { number, bytes: bytes.subarray(0, length), md5: md5.digest() })
      .then((done) => {
        parts.push(done)
      })
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => sending.delete(sent))
    sending.add(sent)
    while (sending.size >= sendingMax) await Promise.race(sending)
  }

  /** Runs `work`. Throws the error of an earlier part if there is one. */
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      if (failure !== undefined) throw failure.error
      return await work()
    } catch (error) {
      const outage = hasCode(error, 'not_found') ? dropped(key, error) : error
      failure ??= { error: outage }
      throw outage
    }
  }

  const sealObject = async (): Promise<SealedPack> => {
    if (nextNumber === 1) {
      await bucket.write(key, part.bytes.subarray(0, part.length), part.md5.digest())
    } else {
      await sendPart()
      await Promise.all(sending)
      if (failure !== undefined) throw failure.error
      await complete(bucket, upload!, parts, sizeBytes)
    }
    state = 'sealed'
    return { name, sizeBytes }
  }

  return {
    name,
    write: async (bytes) => {
      assert(state === 'open', `cannot write to pack ${name}, which is ${state}`)
      sizeBytes += bytes.length
      await attempt(async () => {
        for (let at = 0; at < bytes.length;) {
          // A full part is sent only when more bytes follow, because only the last part may have
          // any length.
          if (part.length === partBytes) await sendPart()
          at += fill(part, bytes.subarray(at))
          if (failure !== undefined) throw failure.error
        }
      })
    },
    seal: async () => {
      assert(state === 'open', `cannot seal pack ${name}, which is ${state}`)
      state = 'sealing'
      const sealed = attempt(sealObject)
      sealing = sealed
      return await sealed
    },
    abort: async () => {
      await sealing.catch(() => {})
      if (state === 'sealed' || state === 'aborted') return
      const wasSealing = state === 'sealing'
      state = 'aborted'
      await Promise.all(sending)
      // What cannot be removed now is debris, for `removeUnsealed` and recovery to remove.
      if (upload !== undefined) await bucket.abortUpload(upload).catch(() => {})
      // A seal whose response was lost was reported as failed, so nothing refers to the pack.
      if (wasSealing && removesDoubtful) await bucket.remove(key).catch(() => {})
    },
  }
}

/** To whoever uploads, `not_found` would be about what was asked for. */
function dropped(key: string, cause: Error): Error {
  const message = `the service has dropped the unfinished upload of ${key}`
  return storeError('busy', message, { what: 'pack storage' }, { cause })
}

function emptyPart(): FillingPart {
  return { bytes: Buffer.alloc(0), length: 0, md5: createHash('md5') }
}

/** Copies bytes into the part; returns how many fit. The buffer grows on demand, because most packs
 *  of small uploads are short. */
function fill(part: FillingPart, bytes: Uint8Array): number {
  const taken = bytes.subarray(0, partBytes - part.length)
  const needed = part.length + taken.length
  if (part.bytes.length < needed) {
    const grown = Buffer.allocUnsafe(Math.min(partBytes, Math.max(needed, 2 * part.bytes.length)))
    part.bytes.copy(grown, 0, 0, part.length)
    part.bytes = grown
  }
  part.bytes.set(taken, part.length)
  part.md5.update(taken)
  part.length = needed
  return taken.length
}

/** Completes the upload. An attempt whose response was lost may have succeeded; then the upload is
 *  gone and the object exists. */
async function complete(
  bucket: Bucket,
  upload: PartedUpload,
  parts: UploadedPart[],
  sizeBytes: number,
): Promise<void> {
  try {
    await bucket.completeUpload(
      upload,
      parts.toSorted((a, b) => a.number - b.number),
    )
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const found = await bucket.sizeOf(upload.key).catch(() => undefined)
    if (found !== sizeBytes) throw error
  }
}
