/** A bucket of Amazon S3 or of a compatible service, through Amazon's own client: it finds
 *  credentials in the usual places (environment, profiles, roles of machines and pods), signs
 *  requests, and retries. Loading it takes about 0.2 s and 25 MB, so it is loaded only by stores
 *  that need it. */
import type { Readable } from 'node:stream'
import type { GetObjectCommandOutput, S3 } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import { asBuffer } from '../../core/bytes/as-buffer.ts'
import { type BucketPlace, formatBucket } from '../../core/bucket-place.ts'
import { blobDamaged, errorCodeOf, notFound, StoreError, storeError } from '../../core/errors.ts'
import type { Bucket, PartedUpload } from './bucket.ts'

type Sdk = typeof import('@aws-sdk/client-s3')

/** Idle time after which a request is aborted and retried: a service without room may not respond
 *  at all. */
const silenceMs = 30_000
const connectMs = 5000
const triesMax = 4
/** Concurrent requests. A server that may open 1,024 files has 341 for what requests read. */
const requestsMax = 256
/** How long a further one waits for its turn. It waits here: in the client it would wait for a
 *  socket, in the time that it has to connect, so that a slow service looks like one that does not
 *  respond. */
const turnMsMax = 60_000

/** Sends nothing until a method is called. */
export async function openS3Bucket(place: BucketPlace): Promise<Bucket> {
  const sdk = await import('@aws-sdk/client-s3')
  const client = openClient(sdk, place)
  const { bucket: Bucket, prefix } = place
  const objectAt = (key: string): ObjectPlace => ({ Bucket, Key: prefix + key })
  const partsAt = ({ key, id }: PartedUpload): ObjectPlace & { UploadId: string } => {
    return { ...objectAt(key), UploadId: id }
  }
  const withoutPrefix = (key = ''): string => key.slice(prefix.length)
  const turns = pLimit(requestsMax)
  /** Runs `work` in its turn; translates its failures to the errors of the ports. */
  const translating = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const what = `${formatBucket(place)}/${key}`
    const askedAt = performance.now()
    return await turns(async () => {
      if (performance.now() - askedAt > turnMsMax) throw overloaded(what)
      try {
        return await work()
      } catch (error) {
        throw translateFailure(sdk, what, error)
      }
    })
  }
  return {
    sizeOf: async (key) =>
      await translating(key, async () => await sizeOf(sdk, client, objectAt(key))),
    read: async (key, offset, lengthBytes) =>
      await translating(key, async () => {
        const range = `bytes=${offset}-${offset + lengthBytes - 1}`
        const object = await client.getObject({ ...objectAt(key), Range: range })
        return await readRange(object, { key, range, offset, lengthBytes })
      }),
    readAll: async (key) =>
      await translating(key, async () => {
        const { Body } = await client.getObject(objectAt(key))
        return asBuffer(await Body!.transformToByteArray())
      }),
    write: async (key, bytes, md5) => {
      const object = { ...objectAt(key), Body: bytes, ContentMD5: md5.toString('base64') }
      await translating(key, async () => await client.putObject(object))
    },
    writeNew: async (key, bytes) =>
      await translating(key, async () => {
        const object = { ...objectAt(key), Body: bytes }
        try {
          await client.putObject({ ...object, IfNoneMatch: '*' })
          return true
        } catch (error) {
          if (isAnswer(sdk, error, 'PreconditionFailed', 412)) return false
          // Some services do not support the condition. Checking first leaves a race with other
          // writers.
          if (!isAnswer(sdk, error, 'NotImplemented', 501)) throw error
        }
        if ((await sizeOf(sdk, client, objectAt(key))) !== undefined) return false
        await client.putObject(object)
        return true
      }),
    remove: async (key) => {
      await translating(key, async () => await client.deleteObject(objectAt(key)))
    },
    list: async function* (folder) {
      for (let from: string | undefined; ;) {
        const request = { Bucket, Prefix: prefix + folder, ContinuationToken: from }
        const page = await translating(folder, async () => await client.listObjectsV2(request))
        for (const { Key, Size, LastModified } of page.Contents ?? []) {
          const modifiedAt = LastModified?.getTime() ?? 0
          yield { key: withoutPrefix(Key), sizeBytes: Size ?? 0, modifiedAt }
        }
        if (page.IsTruncated !== true) return
        from = nextOf(folder, page.NextContinuationToken)
      }
    },
    beginUpload: async (key) =>
      await translating(key, async () => {
        return (await client.createMultipartUpload(objectAt(key))).UploadId!
      }),
    writePart: async (upload, { number, bytes, md5 }) =>
      await translating(upload.key, async () => {
        const { ETag } = await client.uploadPart({
          ...partsAt(upload),
          PartNumber: number,
          Body: bytes,
          ContentMD5: md5.toString('base64'),
        })
        return { number, etag: ETag! }
      }),
    completeUpload: async (upload, parts) => {
      const Parts = parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag }))
      const whole = { ...partsAt(upload), MultipartUpload: { Parts } }
      await translating(upload.key, async () => await client.completeMultipartUpload(whole))
    },
    abortUpload: async (upload) => {
      await translating(upload.key, async () => await client.abortMultipartUpload(partsAt(upload)))
    },
    listUploads: async function* (folder) {
      for (let at: { KeyMarker?: string; UploadIdMarker?: string } = {}; ;) {
        const request = { Bucket, Prefix: prefix + folder, ...at }
        const page = await translating(
          folder,
          async () => await client.listMultipartUploads(request),
        )
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          const begunAt = Initiated?.getTime() ?? 0
          yield { key: withoutPrefix(Key), id: UploadId!, begunAt }
        }
        if (page.IsTruncated !== true) return
        at = {
          KeyMarker: nextOf(folder, page.NextKeyMarker),
          ...(page.NextUploadIdMarker !== undefined && { UploadIdMarker: page.NextUploadIdMarker }),
        }
      }
    },
    close: () => client.destroy(),
  }
}

/** Where the next page of a listing begins. Without it the listing would look complete, and packs
 *  lost. */
function nextOf(folder: string, marker: string | undefined): string {
  if (marker !== undefined && marker !== '') return marker
  throw new Error(`the listing of ${folder} says that there is more, but not where it goes on`)
}

interface ObjectPlace {
  Bucket: string
  Key: string
}

function openClient(sdk: Sdk, { region, endpoint }: BucketPlace): S3 {
  return new sdk.S3({
    region,
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    maxAttempts: triesMax,
    // Other services store the framing that the client would add (`aws-chunked`), and do not verify
    // it.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: { maxSockets: requestsMax },
      httpsAgent: { maxSockets: requestsMax },
      connectionTimeout: connectMs,
      socketTimeout: silenceMs,
      requestTimeout: silenceMs,
      throwOnRequestTimeout: true,
    },
  })
}

async function readRange(
  { Body, ContentRange }: GetObjectCommandOutput,
  asked: { key: string; range: string; offset: number; lengthBytes: number },
): Promise<Buffer> {
  const { key, range, offset, lengthBytes } = asked
  const body = Body as Readable
  const [, from, objectBytes] = /^bytes (\d+)-\d+\/(\d+)$/.exec(ContentRange ?? '') ?? []
  // A proxy that ignores ranges must not make every pack look damaged, nor send it whole.
  const other = (got: string): Error =>
    new Error(`${key} was answered with ${ContentRange ?? 'no range'}${got}, not with ${range}`)
  if (Number(from ?? 0) !== offset) {
    body.destroy()
    throw other('')
  }
  const bytes = await readAtMost(body, lengthBytes + 1)
  if (bytes.length === lengthBytes) return bytes
  // RFC 9110 §14.4: of an object that ends earlier, the part that exists is sent.
  if (Number(objectBytes) === offset + bytes.length) throw tooShort(key)
  throw other(`, ${bytes.length} bytes`)
}

/** Reads a body to its end, or its first `bytesMax` bytes. */
async function readAtMost(body: Readable, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    chunks.push(chunk as Buffer)
    length += (chunk as Buffer).length
    // Leaving the loop destroys the body.
    if (length >= bytesMax) break
  }
  return Buffer.concat(chunks, Math.min(length, bytesMax))
}

/** Returns undefined when the object does not exist. */
async function sizeOf(sdk: Sdk, client: S3, object: ObjectPlace): Promise<number | undefined> {
  try {
    return (await client.headObject(object)).ContentLength!
  } catch (error) {
    if (isAnswer(sdk, error, 'NotFound', 404)) return undefined
    throw error
  }
}

function tooShort(what: string, cause?: ErrorOptions): StoreError {
  return blobDamaged(`${what} ends before the requested range`, [], cause)
}

function isAnswer(sdk: Sdk, error: unknown, name: string, status: number): boolean {
  if (!(error instanceof sdk.S3ServiceException)) return false
  return error.name === name || error.$metadata.httpStatusCode === status
}

/** Error names for a lack of space, in addition to status 507. */
const fullNames: ReadonlySet<string> = new Set(['QuotaExceeded', 'XMinioStorageFull'])
/** Excludes `NotFound`, the name of a bare status 404: a misconfigured proxy must not look like
 *  lost packs. */
const absentNames: ReadonlySet<string> = new Set(['NoSuchKey', 'NoSuchUpload'])
/** Transient failures with a status below 500. */
const passingNames: ReadonlySet<string> = new Set([
  'SlowDown',
  'RequestTimeout',
  'Throttling',
  // Another write of the same object is in progress.
  'ConditionalRequestConflict',
  'OperationAborted',
])

function translateFailure(sdk: Sdk, what: string, error: unknown): unknown {
  if (error instanceof StoreError) return error
  if (!(error instanceof Error)) return error
  const cause = { cause: error }
  const status =
    error instanceof sdk.S3ServiceException ? error.$metadata.httpStatusCode : undefined
  if (status === undefined && !isOfNetwork(error)) return refused(what, error)
  if (absentNames.has(error.name)) return notFound(what, `${what} does not exist`, cause)
  if (error.name === 'InvalidRange') return tooShort(what, cause)
  if (fullNames.has(error.name) || status === 507)
    return storeError(
      'storage_full',
      `no space left for ${what}: ${error.message}`,
      { neededBytes: null },
      cause,
    )
  const isPassing = status === undefined || status === 429 || (status >= 500 && status !== 501)
  if (isPassing || passingNames.has(error.name)) {
    const message = `${what} does not respond: ${error.message || error.name}${told(status)}`
    return storeError('busy', message, { what: 'pack storage' }, cause)
  }
  return refused(what, error, status)
}

function overloaded(what: string): StoreError {
  const waited = `${what} waited ${turnMsMax / 1000} seconds behind ${requestsMax} other requests`
  return storeError('busy', `${waited} to the service`, { what: 'pack storage' })
}

function refused(what: string, error: Error, status?: number): Error {
  const reason = `${error.name}: ${error.message}${told(status)}`
  return new Error(`cannot access ${what}: ${reason}`, { cause: error })
}

/** All that is known of an answer without a body is its status. */
function told(status: number | undefined): string {
  return status === undefined ? '' : ` (status ${status})`
}

/** Whether the failure is one of a socket, of name resolution, or a timeout of the client. */
function isOfNetwork(error: Error): boolean {
  const isCut = ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'].includes(errorCodeOf(error))
  return isCut || error.name === 'TimeoutError' || 'errno' in error || 'syscall' in error
}
