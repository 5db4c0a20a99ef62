/** Packs in a bucket, laid out as in a local directory (`pack-layout.ts`). `s3-sink.ts` writes
 *  packs. */
import { randomBytes } from 'node:crypto'
import { hasCode, invalidRequest, storeError } from '../../core/errors.ts'
import { type Bucket, readMark, writeMark } from './bucket.ts'
import {
  checkPackName,
  checkSlice,
  formatName,
  packFormat,
  sealedPackPath,
} from '../pack-layout.ts'
import { type ListedPack, type PackName, type PackStore, packNamesMax } from '../pack-store.ts'
import { createS3Sink } from './s3-sink.ts'

const folder = 'packs/'
/** Object times are truncated to whole seconds. */
const clockGrainMs = 999

/** Takes ownership of `bucket`, which is closed if this fails.
 *  Errors: invalid_request, when it has a different format, or packs but no format object; those of
 *  the bucket. */
export async function openS3PackStore(bucket: Bucket): Promise<PackStore> {
  try {
    await ensureFormat(bucket)
  } catch (error) {
    bucket.close()
    throw error
  }
  const reading = createReading()
  return {
    create: async (given) => {
      const name = given ?? randomBytes(16).toString('hex')
      checkPackName(name)
      // A pack that moves is written again if that failed.
      const removesDoubtful = given === undefined
      return createS3Sink({ name, key: sealedPackPath(name), bucket, removesDoubtful })
    },
    read: async (name, offset, lengthBytes) => {
      checkPackName(name)
      checkSlice(offset, lengthBytes)
      return await reading.run(name, async () => {
        const key = sealedPackPath(name)
        if (lengthBytes > 0) return await bucket.read(key, offset, lengthBytes)
        // An empty range cannot be requested, and HEAD tells absence by a bare 404, as a proxy may.
        await bucket.read(key, 0, 1).catch((error: unknown) => {
          // An empty object has no such byte.
          if (!hasCode(error, 'blob_damaged')) throw error
        })
        return Buffer.alloc(0)
      })
    },
    remove: async (name) => {
      checkPackName(name)
      // A service may cut off reads of an object that is removed.
      await reading.ended(name)
      await bucket.remove(sealedPackPath(name))
    },
    list: async function* (choose = async (names) => names) {
      for await (const page of listSealed(bucket)) {
        const chosen = new Set(await choose(page.map(({ name }) => name)))
        yield* page.filter(({ name }) => chosen.has(name))
      }
    },
    names: async function* () {
      for await (const page of listSealed(bucket)) yield page.map(({ name }) => name)
    },
    removeUnsealed: async (olderThan) => {
      let removed = 0
      for await (const upload of bucket.listUploads(folder)) {
        if (upload.begunAt >= olderThan) continue
        try {
          await bucket.abortUpload(upload)
          removed += 1
        } catch (error) {
          // Sealed or aborted in the meantime.
          if (!hasCode(error, 'not_found')) throw error
        }
      }
      return removed
    },
    close: async () => {
      await reading.close()
      bucket.close()
    },
  }
}

/** At most `packNamesMax` at a time. */
async function* listSealed(bucket: Bucket): AsyncGenerator<ListedPack[], void, undefined> {
  let page: ListedPack[] = []
  for await (const { key, sizeBytes, modifiedAt } of bucket.list(folder)) {
    const name = /([0-9a-f]{32})\.zip$/.exec(key)?.[1]
    if (name === undefined || key !== sealedPackPath(name)) continue
    page.push({ name, sizeBytes, modifiedAt: modifiedAt + clockGrainMs })
    if (page.length < packNamesMax) continue
    yield page
    page = []
  }
  yield page
}

/** Tracks reads in flight, which removals and `close` wait for. */
function createReading(): {
  run<T>(name: PackName, read: () => Promise<T>): Promise<T>
  ended(name: PackName): Promise<void>
  close(): Promise<void>
} {
  const reads = new Map<Promise<unknown>, PackName>()
  let isClosed = false
  return {
    run: async (name, read) => {
      if (isClosed) throw storeError('shutting_down', 'the pack store is closed', {})
      const running = read()
      reads.set(running, name)
      try {
        return await running
      } finally {
        reads.delete(running)
      }
    },
    ended: async (name) => {
      const own = [...reads].filter(([, of]) => of === name)
      await Promise.allSettled(own.map(([running]) => running))
    },
    close: async () => {
      isClosed = true
      await Promise.allSettled(reads.keys())
    },
  }
}

async function ensureFormat(bucket: Bucket): Promise<void> {
  const found = await readMark(bucket, formatName)
  if (found === packFormat) return
  if (found !== undefined) {
    throw refused(
      `has format ${JSON.stringify(found)}, but this version supports only ${JSON.stringify(packFormat)}`,
    )
  }
  for await (const _ of bucket.list(folder))
    throw refused('has packs but no object "format", so their format is unknown')
  await writeMark(bucket, formatName, packFormat)
}

function refused(what: string): Error {
  return invalidRequest('TROVE_S3_BUCKET', `the bucket ${what}`)
}
