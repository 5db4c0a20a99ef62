/** A misbehaving server cannot make a download write outside DEST, or leave content other than
 *  announced. */
import { createServer, type RequestListener } from 'node:http'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { changesMediaType } from '../../src/api/negotiation.ts'
import { AnswerError, createClient } from '../../src/client/client.ts'
import { fetchEnd, writeFetchedHead } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { manifestHeader } from '../../src/core/manifest/manifest.ts'
import { changesHeader } from '../../src/core/manifest/manifest-changes.ts'
import { createByteWriter } from '../../src/core/bytes/varint.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { listen } from './listen.ts'
import { describeTree, makeDirectory } from './tree.ts'

const right = Buffer.from('the content that was announced')
const digest = digestOf(right)

function file(path: string): string {
  return `f 644 ${right.length} ${digest} ${path}\n`
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

/** Downloads many files, and then a second tree: as changes and, since an unusable response is
 *  requested again, as a whole. */
async function downloadTwice(
  changes: string[],
  lines: string[],
): Promise<{ error: unknown; asked: string[] }> {
  const before = Array.from({ length: 300 }, (_, index) => file(`d/${1000 + index}`))
  const told = createByteWriter()
  told.raw(Buffer.from(changesHeader))
  told.sized(Buffer.from(changes.join('')))
  told.byte(0)
  // Times: no entry has any.
  told.varint(10_000)
  told.byte(0)
  const [first, second] = [answering(before, [{ ordinal: 0 }]), answering(lines, [])]
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    asked.push(url.replace('/api/v1/artifacts/', ''))
    if (!url.includes('/artifacts/2/tree?base=1'))
      return (url.includes('/2/') ? second : first)(request, response)
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
  const failure = client.download({ artifact: artifact(2, lines), destination })
  const error: unknown = await failure.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { error, asked }
}

const kept = Array.from({ length: 300 }, (_, index) => file(`d/${1000 + index}`))

test('correct changes are the only request', async () => {
  const { error, asked } = await downloadTwice(['- d/1007\n'], kept.toSpliced(7, 1))
  expect([error, asked]).toEqual([undefined, ['2/tree?base=1']])
})

test('changes that lead to another tree than the announced one are not used', async () => {
  const { error, asked } = await downloadTwice(['- d/1007\n'], kept.toSpliced(8, 1))
  expect([error, asked]).toEqual([undefined, ['2/tree?base=1', '2/tree']])
})

test.each([
  ['an entry below a file', file('d/1007/x'), kept.toSpliced(8, 0, file('d/1007/x'))],
  ['a path that leads out of DEST', file('d/../../x'), [file('d/../../x'), ...kept]],
  ['a line without a mode', file('d/1007').replace('644', '6!4'), null],
  ['a line without a digest', file('d/1007').replace(digest, 'x'.repeat(64)), null],
])('%s is also rejected in changes', async (_, change, whole) => {
  const { error, asked } = await downloadTwice([change], whole ?? kept.with(7, change))
  expect(asked).toEqual(['2/tree?base=1', '2/tree'])
  expect(error).toBeInstanceOf(Error)
})
