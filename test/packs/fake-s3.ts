/** An in-memory imitation of an S3 service, as far as packs need it, for tests that have no real
 *  one or need it to fail. Does not verify signatures. Its responses were compared with Ceph's
 *  gateway. */
import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import type { BucketPlace } from '../../src/core/bucket-place.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'

export interface FakeS3 {
  endpoint: string
  /** The requests, such as `PUT packs/ab/….zip?partNumber&uploadId`, in order. */
  requests: string[]
  objects: Map<string, { bytes: Buffer; modifiedAt: number }>
  uploads: Map<string, { key: string; begunAt: number; parts: Map<number, Buffer> }>
  /** Called before each request; may answer the request itself, or act and let it continue. */
  before: (request: string, response: ServerResponse) => Promise<'answered' | undefined>
  /** Called after a request was carried out, before it is answered. */
  after: (request: string, response: ServerResponse) => Promise<'answered' | undefined>
  close(): Promise<void>
}

export function placeIn({ endpoint }: FakeS3): BucketPlace {
  return { bucket: 'store', prefix: 'ci/', region: 'us-east-1', endpoint }
}

/** The bucket that `TROVE_TEST_S3` names; undefined when it is not set. */
export function realPlace(): BucketPlace | undefined {
  const { origin, pathname } = new URL(process.env['TROVE_TEST_S3'] ?? 'none:')
  if (origin === 'null') return undefined
  return { bucket: pathname.slice(1), prefix: '', region: 'us-east-1', endpoint: origin }
}

/** A store in an imitated bucket; both are closed when the test ends. */
export async function openFake(): Promise<{ fake: FakeS3; store: PackStore }> {
  const fake = await startFakeS3()
  const store = await openS3PackStore(await openS3Bucket(placeIn(fake)))
  onTestFinished(async () => {
    await store.close()
    await fake.close()
  })
  fake.requests.length = 0
  return { fake, store }
}

/** Answers with an error status. */
export function answering(status: number, code: string): FakeS3['before'] {
  return async (_, response) => {
    response.writeHead(status).end(code === '' ? '' : `<Error><Code>${code}</Code></Error>`)
    return 'answered'
  }
}

export const cutting: FakeS3['before'] = async (_, response) => {
  response.destroy()
  return 'answered'
}

export async function seal(store: PackStore, bytes: Uint8Array): Promise<string> {
  const sink = await store.create()
  try {
    await sink.write(bytes)
    return (await sink.seal()).name
  } catch (error) {
    await sink.abort()
    throw error
  }
}

export function keyOf(name: string): string {
  return `ci/packs/${name.slice(0, 2)}/${name}.zip`
}

/** Objects on one page of a listing. */
const pageObjects = 7

/** Also gives this process credentials, if it has none. */
export async function startFakeS3(): Promise<FakeS3> {
  process.env['AWS_ACCESS_KEY_ID'] ??= 'key'
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'secret'
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'
  const server = createServer((request, response) => {
    void answer(fake, request, response)
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const fake: FakeS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    objects: new Map(),
    uploads: new Map(),
    before: async () => undefined,
    after: async () => undefined,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return fake
}

interface Answer {
  status: number
  headers?: Record<string, string>
  body?: Buffer | string
}

async function answer(
  fake: FakeS3,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', fake.endpoint)
  const key = decodeURIComponent(url.pathname).replace(/^\/[^/]+\/?/, '')
  const summary = `${request.method} ${key}${[...url.searchParams.keys()]
    .filter((name) => name !== 'x-id')
    .map((name, at) => (at === 0 ? '?' : '&') + name)
    .join('')}`
  const body = await buffer(request)
  fake.requests.push(summary)
  if ((await fake.before(summary, response)) === 'answered') return
  const { status, headers = {}, body: text = '' } = perform(fake, request, { url, key, body })
  if ((await fake.after(summary, response)) === 'answered') return
  response.writeHead(status, { 'content-length': Buffer.byteLength(text), ...headers })
  response.end(request.method === 'HEAD' ? undefined : text)
}

interface Call {
  url: URL
  key: string
  body: Buffer
}

function perform(fake: FakeS3, request: IncomingMessage, call: Call): Answer {
  const { url, key } = call
  const query = url.searchParams
  if (query.has('uploads') || query.has('uploadId')) return performUpload(fake, request, call)
  switch (request.method) {
    case 'PUT':
      if (request.headers['if-none-match'] === '*' && fake.objects.has(key))
        return failure(412, 'PreconditionFailed')
      if (!key.endsWith('owner') && !isWhole(request, call.body)) return failure(400, 'BadDigest')
      fake.objects.set(key, { bytes: call.body, modifiedAt: Date.now() })
      return { status: 200 }
    case 'DELETE':
      fake.objects.delete(key)
      return { status: 204 }
    case 'HEAD': {
      const size = fake.objects.get(key)?.bytes.length
      if (size === undefined) return { status: 404 }
      return { status: 200, headers: { 'content-length': String(size) } }
    }
    default:
      return key === '' ? listObjects(fake, query) : readObject(fake, key, request.headers.range)
  }
}

function readObject({ objects }: FakeS3, key: string, range: string | undefined): Answer {
  const bytes = objects.get(key)?.bytes
  if (bytes === undefined) return failure(404, 'NoSuchKey')
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (from === undefined) return { status: 200, body: bytes }
  if (Number(from) >= bytes.length) return failure(416, 'InvalidRange')
  const body = bytes.subarray(Number(from), Number(to) + 1)
  const contentRange = `bytes ${from}-${Number(from) + body.length - 1}/${bytes.length}`
  return { status: 206, headers: { 'content-range': contentRange }, body }
}

function listObjects({ objects }: FakeS3, query: URLSearchParams): Answer {
  const prefix = query.get('prefix') ?? ''
  const from = query.get('continuation-token') ?? ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > from).toSorted()
  const page = keys.slice(0, pageObjects)
  const isTruncated = page.length < keys.length
  const contents = page.map((key) => {
    const { bytes, modifiedAt } = objects.get(key)!
    const seconds = new Date(modifiedAt - (modifiedAt % 1000)).toISOString()
    return `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${seconds}</LastModified></Contents>`
  })
  const next = isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  const content = `<IsTruncated>${isTruncated}</IsTruncated>${next}${contents.join('')}`
  return { status: 200, body: `<ListBucketResult>${content}</ListBucketResult>` }
}

function performUpload(
  { objects, uploads }: FakeS3,
  request: IncomingMessage,
  { url, key, body }: Call,
): Answer {
  const { method } = request
  const query = url.searchParams
  const id = query.get('uploadId')
  if (id === null && method === 'GET') return listUploads(uploads, query.get('prefix') ?? '')
  if (id === null) {
    const begun = randomBytes(8).toString('hex')
    uploads.set(begun, { key, begunAt: Date.now(), parts: new Map() })
    const content = `<UploadId>${begun}</UploadId>`
    return {
      status: 200,
      body: `<InitiateMultipartUploadResult>${content}</InitiateMultipartUploadResult>`,
    }
  }
  const upload = uploads.get(id)
  if (upload === undefined) return failure(404, 'NoSuchUpload')
  if (method === 'PUT') {
    if (!isWhole(request, body)) return failure(400, 'BadDigest')
    upload.parts.set(Number(query.get('partNumber')), body)
    return { status: 200, headers: { etag: '"etag"' } }
  }
  uploads.delete(id)
  if (method === 'DELETE') return { status: 204 }
  const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, n]) => Number(n))
  const bytes = Buffer.concat(numbers.map((number) => upload.parts.get(number)!))
  objects.set(key, { bytes, modifiedAt: Date.now() })
  return { status: 200, body: '<CompleteMultipartUploadResult/>' }
}

function listUploads(uploads: FakeS3['uploads'], prefix: string): Answer {
  const below = [...uploads].filter(([, { key }]) => key.startsWith(prefix))
  const items = below.map(
    ([id, { key, begunAt }]) =>
      `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(begunAt).toISOString()}</Initiated></Upload>`,
  )
  return {
    status: 200,
    body: `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${items.join('')}</ListMultipartUploadsResult>`,
  }
}

/** Verifies the MD5 that all objects have but `owner`. */
function isWhole({ headers }: IncomingMessage, body: Buffer): boolean {
  const md5 = createHash('md5').update(body).digest('base64')
  return headers['content-md5'] === md5
}

function failure(status: number, code: string): Answer {
  return { status, body: `<Error><Code>${code}</Code><Message>${code}</Message></Error>` }
}
