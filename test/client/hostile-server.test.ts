/** A misbehaving server cannot make a download write outside DEST, or leave content other than
 *  announced. */
import { createServer, type RequestListener } from 'node:http'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { changesMediaType } from '../../src/api/negotiation.ts'
import { AnswerError, createClient } from '../../src/client/client.ts'
import { fetchEnd, writeFetchedHead } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { manifestHeader } from '../../src/core/manifest/manifest.ts'
import { changesHeader } from '../../src/core/manifest/manifest-changes.ts'
import { encodeTimes } from '../../src/core/manifest/modification-times.ts'
import { createByteWriter } from '../../src/core/bytes/varint.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { fetchTree } from '../../src/client/download/fetched-tree.ts'
import { listen } from './listen.ts'
import { describeTree, makeDirectory } from './tree.ts'

const right = Buffer.from('the content that was announced')
const digest = digestOf(right)

function file(path: string, { content = right, mode = '644' } = {}): string {
  return `f ${mode} ${content.length} ${digestOf(content)} ${path}\n`
}

function link(path: string, target: string): string {
  return `l ${Buffer.byteLength(target)} ${target} ${path}\n`
}

function treeDigestOf(lines: string[]): string {
  return `sha256:${digestOf(Buffer.from(manifestHeader + lines.join('')))}`
}

interface Sent {
  ordinal: number
  offset?: number
  content?: Buffer
  sizeBytes?: number
}

/** One page of lines without times. */
function treeOf(lines: string[]): Buffer {
  const tree = createByteWriter()
  tree.raw(Buffer.from(manifestHeader))
  tree.sized(Buffer.from(lines.join('')))
  tree.sized(Buffer.alloc(0))
  tree.byte(0)
  return tree.bytes()
}

/** Responds with these lines as the tree and, whatever is requested, with these streams. */
function answering(
  lines: string[],
  sent: Sent[],
  { endsAfterMs = 0 }: { endsAfterMs?: number } = {},
): RequestListener {
  const blobs = createByteWriter()
  for (const { ordinal, offset = 0, content = right, sizeBytes = content.length } of sent) {
    const stream = encodeJoiningSync(content, 6)
    writeFetchedHead(blobs, {
      ordinal,
      offset,
      sizeBytes,
      codec: 'joining',
      lengthBytes: stream.length,
    })
    blobs.raw(stream)
  }
  blobs.byte(fetchEnd)
  return (request, response) => {
    request.resume()
    const bytes = request.url?.includes('/tree') === true ? treeOf(lines) : blobs.bytes()
    if (endsAfterMs === 0) {
      response.end(bytes)
      return
    }
    response.write(bytes)
    void setTimeout(endsAfterMs).then(() => response.end())
  }
}

/** Downloads into DEST next to a file that must not change; returns the error and what is below
 *  DEST. `treeDigest`: the tree that the caller wants. */
async function download(
  lines: string[],
  sent: Sent[] = [],
  treeDigest = treeDigestOf(lines),
): Promise<{ error: unknown; left: string[] }> {
  const url = await listen(createServer(answering(lines, sent)))
  const root = await makeDirectory({ victim: 'untouched', dest: null })
  const before = await describeTree(root)
  const client = createClient({ url, token: 'x', cacheDir: null })
  let error: unknown
  try {
    await client.download({ artifact: { id: 1, treeDigest }, destination: join(root, 'dest') })
  } catch (failure) {
    error = failure
  }
  const after = await describeTree(root)
  for (const [path, told] of Object.entries(before)) expect(after[path]).toBe(told)
  expect((await readdir(root)).toSorted()).toEqual(['dest', 'victim'])
  const left = Object.keys(after).filter(
    (path) => path.startsWith('dest/') && !path.startsWith('dest/.trove-partial'),
  )
  return { error, left }
}

test('the test server can also respond correctly', async () => {
  const { error, left } = await download([file('a/b')], [{ ordinal: 0 }])
  expect([error, left]).toEqual([undefined, ['dest/a', 'dest/a/b']])
})

test('a tree digest that is none checks nothing, so it is rejected', async () => {
  const { error, left } = await download([file('a')], [{ ordinal: 0 }], 'sha256:0')
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain('"sha256:0" instead of a digest')
  expect(left).toEqual([])
})

test.each([
  ['leads out of DEST', [file('../victim')], 'unsafe_path'],
  ['leads out of DEST in the middle', [file('a/../../victim')], 'unsafe_path'],
  ['is absolute', [file('/tmp/trove-hostile')], 'unsafe_path'],
  ['is DEST itself', [file('.')], 'unsafe_path'],
  ['has a NUL', [file('a\0b')], 'unsafe_path'],
  [
    'passes through a symlink of the same tree',
    [link('a', '..'), file('a/victim')],
    'duplicate_path',
  ],
  ['lies below a file', [file('a'), file('a/b')], 'duplicate_path'],
  [
    'occurs twice, as a symlink and as a file',
    [link('a', '../victim'), file('a')],
    'duplicate_path',
  ],
  ['is out of order', [file('b'), file('a')], 'duplicate_path'],
  ['is the directory for incomplete files', [file('.trove-partial')], 'unsafe_path'],
  ['lies below it', [file('.a'), file('.trove-partial/x'), file('z')], 'unsafe_path'],
])('a path that %s is rejected before anything is written', async (_, lines, code) => {
  const { error, left } = await download(lines, [{ ordinal: 0 }, { ordinal: 1 }])
  expect(error).toMatchObject({ code })
  expect(left).toEqual([])
})

test.each([
  ['lacks an entry of', [file('a')], [file('a'), file('b')]],
  ['has another target than', [link('a', 'c')], [link('a', 'b')]],
])('a tree that %s the announced one is rejected', async (_, lines, announced) => {
  const { error, left } = await download(lines, [{ ordinal: 0 }], treeDigestOf(announced))
  expect(error).toMatchObject({ code: 'digest_mismatch' })
  expect(left).toEqual([])
})

test('symlinks that lead out of DEST are created, and nothing is written through them', async () => {
  const { error, left } = await download([link('a', '..'), link('b', '/etc')], [])
  expect(error).toBeUndefined()
  expect(left).toEqual(['dest/a', 'dest/b'])
})

test.each([
  [
    'is other content',
    [{ ordinal: 0, content: Buffer.from('other content of the same length') }],
    'digest_mismatch',
  ],
  ['is longer than announced', [{ ordinal: 0, sizeBytes: 5 }], 'blob_damaged'],
  ['is shorter than announced', [{ ordinal: 0, sizeBytes: 500 }], 'blob_damaged'],
])('a file that %s never gets its final name', async (_, sent, code) => {
  const { error, left } = await download([file('a')], sent)
  expect(error).toMatchObject({ code })
  expect(left).toEqual([])
})

test('a stream that is too long to be held is written as it arrives, but only into a large file', async () => {
  const content = Buffer.concat(
    Array.from({ length: 9 * 16 }, (_, index) => Buffer.alloc(64 * 1024, index)),
  )
  const whole = await download([file('a', { content })], [{ ordinal: 0, content }])
  expect([whole.error, whole.left]).toEqual([undefined, ['dest/a']])
  const { error, left } = await download([file('a')], [{ ordinal: 0, content }])
  expect(error).toBeInstanceOf(AnswerError)
  expect(left).toEqual([])
})

test('a part beyond the end of its file is not written', async () => {
  const content = Buffer.alloc(limits.chunkThresholdBytes, 'content')
  const part = { ordinal: 0, offset: 1, content }
  const { error, left } = await download([file('a', { content })], [part])
  expect(error).toBeInstanceOf(AnswerError)
  expect(left).toEqual([])
})

test('a page of entries that no server would send is not received', async () => {
  const tree = createByteWriter()
  tree.raw(Buffer.from(manifestHeader))
  tree.varint(2 ** 40)
  const url = await listen(createServer((_, response) => void response.write(tree.bytes())))
  const client = createClient({ url, token: 'x', cacheDir: null })
  const artifact = { id: 1, treeDigest: treeDigestOf([]) }
  const download = client.download({ artifact, destination: await makeDirectory() })
  await expect(download).rejects.toThrow('a page of 1099511627776 bytes is too large')
})

test('contents without a file that was asked for are rejected', async () => {
  const { error, left } = await download([file('a')], [])
  expect(error).toMatchObject({
    message: expect.stringContaining('without all of the wanted files') as string,
  })
  expect(left).toEqual([])
})

test('streams that were not asked for are rejected', async () => {
  const { error, left } = await download([file('a')], [{ ordinal: 7 }])
  expect(error).toMatchObject({ message: expect.stringContaining('not asked for') as string })
  expect(left).toEqual([])
})

test('a response whose end arrives late does not hold on to its connection', async () => {
  let connections = 0
  const server = createServer(answering([file('a')], [{ ordinal: 0 }], { endsAfterMs: 100 }))
  server.on('connection', () => (connections += 1))
  const url = await listen(server)
  const client = createClient({ url, token: 'x', cacheDir: null })
  const treeDigest = `sha256:${digestOf(Buffer.from(manifestHeader + file('a')))}`
  const counts: number[] = []
  for (let time = 0; time < 2; time++) {
    const destination = await makeDirectory()
    await client.download({ artifact: { id: 1, treeDigest }, destination })
    counts.push(connections)
    await setTimeout(300)
  }
  expect(counts).toEqual([2, 2])
})

function files(count: number): string[] {
  return Array.from({ length: count }, (_, index) => file(`d/${1000 + index}`))
}

const kept = files(300)

interface TwiceOptions {
  /** The first tree. */
  before?: string[]
  /** The streams of the second tree. */
  sent?: Sent[]
  /** The times of the second tree, in pages; empty: no entry has any. */
  times?: number[][]
}

/** Downloads many files, and then a second tree: as changes and, since an unusable response is
 *  requested again, as a whole. */
async function downloadTwice(
  changes: string[],
  lines: string[],
  { before = kept, sent = [], times = [] }: TwiceOptions = {},
): Promise<{ error: unknown; asked: string[]; destination: string }> {
  const told = createByteWriter()
  told.raw(Buffer.from(changesHeader))
  told.sized(Buffer.from(changes.join('')))
  told.byte(0)
  told.varint(times[0]?.length ?? 10_000)
  for (const page of times) told.sized(encodeTimes(page))
  if (times.length === 0) told.byte(0)
  const [first, second] = [
    answering(before, [{ ordinal: before.indexOf(kept[0]!) }]),
    answering(lines, sent),
  ]
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    asked.push(url.replace(/^\/api\/v1\/(?:artifacts\/)?/, ''))
    if (!url.includes('/artifacts/2/tree?base=1'))
      return (/\/2\/|=2$/.test(url) ? second : first)(request, response)
    request.resume()
    response.setHeader('content-type', changesMediaType).end(told.bytes())
    return undefined
  })
  const url = await listen(server)
  const directory = await makeDirectory()
  const client = createClient({ url, token: 'x', cacheDir: join(directory, 'cache') })
  const artifact = (id: number, tree: string[]): { id: number; treeDigest: string } => ({
    id,
    treeDigest: treeDigestOf(tree),
  })
  const destination = join(directory, 'dest')
  await client.download({ artifact: artifact(1, before), destination })
  asked.length = 0
  const failure = client.download({ artifact: artifact(2, lines), destination, delete: true })
  const error: unknown = await failure.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { error, asked, destination }
}

/** Sends pages until the client hangs up: a tree that never ends. */
async function fetchEndless(
  page: (number: number) => string,
  { times = 0 }: { times?: number } = {},
): Promise<unknown> {
  const server = createServer((request, response) => {
    request.resume()
    void (async () => {
      response.write(manifestHeader)
      for (let number = 0; !response.destroyed; number++) {
        const pieces = createByteWriter()
        pieces.sized(Buffer.from(page(number)))
        pieces.sized(Buffer.alloc(times))
        response.write(pieces.bytes())
        await setTimeout(0)
      }
    })()
  })
  const url = await listen(server)
  return await fetchTree(
    { url, token: null },
    { id: 1, treeDigest: treeDigestOf([]) },
    {
      base: null,
      signal: AbortSignal.timeout(4000),
      bounds: { entries: 1000, textBytes: 64 * 1024 },
    },
  ).catch((error: unknown) => error)
}

test.each([
  [
    'entries',
    (page: number) =>
      Array.from({ length: 300 }, (_, index) => `d 755 ${page + 100}${index + 100}\n`).join(''),
    'more than 1,000 entries',
  ],
  [
    'text',
    (number: number) => file(`${number + 1e6}${'/x'.repeat(1500)}`),
    'more than 64.0 KiB of text',
  ],
])('%s of a tree that never ends are bounded', async (_, page, message) => {
  const error = await fetchEndless(page)
  expect(error).toBeInstanceOf(AnswerError)
  expect(String(error)).toContain(message)
})

test('pages of times are no longer than those of their entries', async () => {
  const error = await fetchEndless((number) => file(`${number + 1e6}`), { times: 10_000 })
  expect(String(error)).toContain('a page of 10000 bytes is too large')
})

test.each([[['e']], [[]]])(
  'correct changes are the only request, and do what the whole tree would, with the new paths %j',
  async (paths: string[]) => {
    const content = Buffer.from('other content')
    const [script, other] = [file('d/1010', { mode: '755' }), file('d/1020', { content })]
    const added = paths.map((path) => file(path, { content }))
    // More than is read in one piece.
    const before = files(1000)
    const lines = [...before.with(10, script).with(20, other).toSpliced(7, 1), ...added]
    const made = await downloadTwice(['- d/1007\n', script, other, ...added], lines, {
      before,
      sent: [{ ordinal: 19, content }],
      times: [Array(600).fill(19), Array(lines.length - 600).fill(7)],
    })
    const asked = ['2/tree?base=1', 'blobs/fetch?artifact=2']
    expect([made.error, made.asked]).toEqual([undefined, asked])
    const { d, ...told } = await describeTree(made.destination)
    expect(d).toBe('directory 755')
    const wanted = lines.map((line) => {
      const [, mode, , sha256, path = ''] = line.trim().split(' ')
      return [path, `file ${mode} ${sha256}`]
    })
    expect(told).toEqual(Object.fromEntries(wanted))
    for (const path of ['d/1020', ...paths]) {
      const { mtimeMs } = await stat(join(made.destination, path))
      expect([path, mtimeMs]).toEqual([path, path === 'e' ? 7000 : 19_000])
    }
  },
)

test('changes that lead to another tree than the announced one are not used', async () => {
  const { error, asked } = await downloadTwice(['- d/1007\n'], kept.toSpliced(8, 1))
  expect([error, asked]).toEqual([undefined, ['2/tree?base=1', '2/tree']])
})

test.each([
  ['an entry below a file', file('d/1007/x'), kept.toSpliced(8, 0, file('d/1007/x'))],
  ['a path that leads out of DEST', file('d/../../x'), [file('d/../../x'), ...kept]],
  [
    'a symlink in place of the directory of entries',
    link('d', '..'),
    [link('d', '..'), ...kept],
    ['d 700 d\n', ...kept],
  ],
  ['a line without a mode', file('d/1007').replace('644', '6!4'), null],
  ['a line without a digest', file('d/1007').replace(digest, 'x'.repeat(64)), null],
])('%s is also rejected in changes', async (_, change, whole, before = kept) => {
  const lines = whole ?? kept.with(7, change)
  const { error, asked } = await downloadTwice([change], lines, { before })
  expect(asked).toEqual(['2/tree?base=1', '2/tree'])
  expect(error).toBeInstanceOf(Error)
})
