/** Packs in a bucket whose service fails in various ways. `s3.slow.test.ts` tests the contract of
 *  every pack store. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, expect, test, vi } from 'vitest'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { openS3Bucket } from '../../src/packs/s3/s3-bucket.ts'
import { partBytes } from '../../src/packs/s3/s3-sink.ts'
import { openS3PackStore } from '../../src/packs/s3/s3.ts'
import { answering, cutting, type FakeS3, keyOf, openFake, placeIn, seal } from './fake-s3.ts'

// Amazon's client waits before a retry: a random part of a delay that doubles.
const random = vi.spyOn(Math, 'random').mockReturnValue(0)
afterAll(() => {
  random.mockRestore()
})

const short = Buffer.from('short')
const long = Buffer.alloc(2 * partBytes + 1, 'x')

test('a short pack takes one request, a long one a multipart upload', async () => {
  const { fake, store } = await openFake()
  const one = await seal(store, short)
  expect(fake.requests).toEqual([`PUT ${keyOf(one)}`])
  fake.requests.length = 0
  const many = await seal(store, long)
  expect(fake.requests.toSorted()).toEqual([
    `POST ${keyOf(many)}?uploadId`,
    `POST ${keyOf(many)}?uploads`,
    ...Array.from({ length: 3 }, () => `PUT ${keyOf(many)}?partNumber&uploadId`),
  ])
  expect(fake.objects.get(keyOf(many))?.bytes.equals(long)).toBe(true)
  expect(fake.uploads.size).toBe(0)
})

test.each(['?uploads', '?partNumber&uploadId', '?uploadId', '.zip'])(
  'a service that keeps failing at %s is busy, and nothing of the pack is left',
  async (end) => {
    const { fake, store } = await openFake()
    const failing = answering(503, 'SlowDown')
    fake.before = async (request, response) =>
      request.startsWith('P') && request.endsWith(end)
        ? await failing(request, response)
        : undefined
    const bytes = end === '.zip' ? short : long
    await expect(seal(store, bytes)).rejects.toMatchObject({ code: 'busy' })
    expect([...fake.objects.keys()]).toEqual(['ci/format'])
    expect(fake.uploads.size).toBe(0)
  },
)

test('a lost response to the end of a pack does not lose the pack', async () => {
  const { fake, store } = await openFake()
  let lost = 0
  fake.after = async (request, response) => {
    if (!request.startsWith('POST') || request.endsWith('?uploads') || lost > 0) return undefined
    lost += 1
    response.destroy()
    return 'answered'
  }
  const name = await seal(store, long)
  expect(lost).toBe(1)
  expect((await store.read(name, 0, long.length)).equals(long)).toBe(true)
})

test('a pack whose seal was reported as failed does not appear later', async () => {
  const { fake, store } = await openFake()
  fake.after = async (request, response) => {
    if (!request.startsWith('PUT')) return undefined
    response.destroy()
    return 'answered'
  }
  await expect(seal(store, short)).rejects.toMatchObject({ code: 'busy' })
  expect([...fake.objects.keys()]).toEqual(['ci/format'])
})

// Not as something that the client asked for and that does not exist.
test.each([/partNumber/, /^POST .*\?uploadId$/])(
  'a pack whose upload the service drops before %s is reported as an outage',
  async (before) => {
    const { fake, store } = await openFake()
    fake.before = async (request) => {
      if (before.test(request)) fake.uploads.clear()
      return undefined
    }
    await expect(seal(store, long)).rejects.toMatchObject({ code: 'busy' })
    expect([...fake.objects.keys()]).toEqual(['ci/format'])
  },
)

// If a pack seems to be missing, its copies count as lost.
test.each([
  ['rejects the credentials', answering(403, 'AccessDenied'), /cannot access .*: AccessDenied/],
  ['has lost the bucket', answering(404, 'NoSuchBucket'), /cannot access .*: NoSuchBucket/],
  ['is hidden by a misconfigured proxy', answering(404, ''), /cannot access .*\(status 404\)/],
  ['lacks a request', answering(501, 'NotImplemented'), /cannot access .*\(status 501\)/],
  ['archives packs', answering(403, 'InvalidObjectState'), /cannot access .*: InvalidObjectState/],
  ['has an expired token', answering(400, 'ExpiredToken'), /cannot access .*: ExpiredToken/],
  [
    'is in another region',
    answering(301, 'PermanentRedirect'),
    /cannot access .*PermanentRedirect/,
  ],
  ['is busy with the object', answering(409, 'OperationAborted'), /does not respond: .*status 409/],
  ['is behind a proxy that fails', answering(502, ''), /does not respond: .*\(status 502\)/],
  ['sends something else', answering(200, 'Hello'), /answered with no range, \d+ bytes/],
  [
    'ignores ranges',
    async (_: string, response: ServerResponse) => {
      response.writeHead(200).end(short.subarray(0, 4))
      return 'answered' as const
    },
    /answered with no range, 4 bytes/,
  ],
  [
    'sends another range',
    async (_: string, response: ServerResponse) => {
      response.writeHead(206, { 'content-range': 'bytes 1-5/9' }).end(short)
      return 'answered' as const
    },
    /answered with bytes 1-5\/9, not/,
  ],
  [
    'sends less than the range',
    async (_: string, response: ServerResponse) => {
      response.writeHead(206, { 'content-range': 'bytes 0-4/9' }).end('sho')
      return 'answered' as const
    },
    /answered with bytes 0-4\/9, 3 bytes/,
  ],
  [
    'breaks off',
    async (_: string, response: ServerResponse) => {
      response.writeHead(206, { 'content-range': 'bytes 0-4/9', 'content-length': 5 })
      response.write('sho', () => response.destroy())
      return 'answered' as const
    },
    /does not respond/,
  ],
  ['does not respond', cutting, /does not respond/],
])('a service that %s does not make packs look lost', async (_, act, message) => {
  const { fake, store } = await openFake()
  const name = await seal(store, short)
  fake.before = act
  const failure: unknown = await store.read(name, 0, 5).catch((error: unknown) => error)
  expect((failure as Error).message).toMatch(message)
  const ofEmpty: unknown = await store.read(name, 0, 0).catch((error: unknown) => error)
  for (const code of ['not_found', 'blob_damaged'])
    for (const each of [failure, ofEmpty]) expect(each).not.toMatchObject({ code })
  fake.before = async () => undefined
  expect(await store.read(name, 0, 5)).toEqual(short)
})

test('many reads are in progress at once, so that none waits for others of a slow service', async () => {
  const { fake, store } = await openFake()
  const name = await seal(store, short)
  let waiting = 0
  let release = (): void => {}
  const all = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined)
  })
  fake.before = async () => {
    waiting += 1
    if (waiting === 200) release()
    return await all
  }
  const reads = Array.from({ length: 200 }, async () => await store.read(name, 0, 5))
  expect(new Set((await Promise.all(reads)).map(String))).toEqual(new Set(['short']))
})

test.each([
  ['of another range', 206, { 'content-range': 'bytes 1-1000000/1000000' }],
  ['of the whole object', 200, {}],
])('a response %s is not read to its end', async (_, status, headers) => {
  const { fake, store } = await openFake()
  const name = await seal(store, short)
  let cut: Promise<unknown> | undefined
  fake.before = async (_request, response) => {
    cut = once(response, 'close')
    response.writeHead(status, headers).write(Buffer.alloc(100_000))
    return 'answered'
  }
  await expect(store.read(name, 0, 5)).rejects.toThrow(/was answered with .* not with bytes=0-4/)
  await cut
})

/** Answers listings with an XML body. */
function listing(content: string): FakeS3['before'] {
  return async (request, response) => {
    if (!request.startsWith('GET ?')) return undefined
    const root = request.includes('uploads') ? 'ListMultipartUploadsResult' : 'ListBucketResult'
    response.end(`<${root}>${content}</${root}>`)
    return 'answered'
  }
}

async function namesIn(store: PackStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list()) names.push(name)
  return names
}

test('a listing ends where the service says so, whatever else it sends', async () => {
  const { fake, store } = await openFake()
  const markers = ['NextContinuationToken', 'NextKeyMarker', 'NextUploadIdMarker']
  for (const marker of ['', 'again']) {
    const elements = markers.map((name) => `<${name}>${marker}</${name}>`).join('')
    fake.before = listing(`<IsTruncated>false</IsTruncated>${elements}`)
    fake.requests.length = 0
    expect(await namesIn(store)).toEqual([])
    expect(await store.removeUnsealed(Infinity)).toBe(0)
    expect(fake.requests).toHaveLength(2)
  }
})

test.each(['', '<NextContinuationToken/><NextKeyMarker/>', '<NextMarker>packs/00</NextMarker>'])(
  'a listing that is cut without saying where it goes on (%j) does not pass for a whole one',
  async (elements) => {
    const { fake, store } = await openFake()
    fake.before = listing(`<IsTruncated>true</IsTruncated>${elements}`)
    await expect(namesIn(store)).rejects.toThrow(/says that there is more/)
    await expect(store.removeUnsealed(Infinity)).rejects.toThrow(/says that there is more/)
  },
)

test('an object that ends early is damaged', async () => {
  const { fake, store } = await openFake()
  const name = await seal(store, short)
  fake.objects.get(keyOf(name))!.bytes = short.subarray(0, 3)
  for (const at of [0, 3])
    await expect(store.read(name, at, 5)).rejects.toMatchObject({ code: 'blob_damaged' })
})

test.each(['InternalError', ''])(
  'a multipart upload whose end is answered with status 200 and an error (%j) leaves nothing',
  async (code) => {
    const { fake, store } = await openFake()
    const failing = answering(200, code)
    fake.before = async (request, response) =>
      /^POST .*\?uploadId$/.test(request) ? await failing(request, response) : undefined
    await expect(seal(store, long)).rejects.toThrow(/packs\//)
    expect([...fake.objects.keys()]).toEqual(['ci/format'])
    expect(fake.uploads.size).toBe(0)
  },
)

test('a full bucket is reported as storage_full', async () => {
  const { fake, store } = await openFake()
  fake.before = answering(403, 'QuotaExceeded')
  await expect(seal(store, short)).rejects.toMatchObject({ code: 'storage_full' })
})

test('a bucket with another format, or with packs but no format, is rejected and left unchanged', async () => {
  const { fake, store } = await openFake()
  const name = await seal(store, short)
  const open = async (): Promise<PackStore> =>
    await openS3PackStore(await openS3Bucket(placeIn(fake)))
  fake.objects.get('ci/format')!.bytes = Buffer.from('trove-cas 2\n')
  await expect(open()).rejects.toThrow(/"trove-cas 2\\n".*only "trove-cas 1\\n"/)
  fake.objects.delete('ci/format')
  await expect(open()).rejects.toThrow(/has packs but no object "format"/)
  expect([...fake.objects.keys()]).toEqual([keyOf(name)])
})
