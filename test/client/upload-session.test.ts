/** The requests of an upload session. */
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import type { HashedTree } from '../../src/client/upload/hashed-tree.ts'
import {
  offerManifest,
  offerParts,
  type UploadSession,
} from '../../src/client/upload/upload-session.ts'
import { encodeOrdinals } from '../../src/core/bytes/blob-exchange.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { decodeComposites } from '../../src/ingest/negotiated/receive-parts.ts'
import { listen } from './listen.ts'

function sessionOf(url: string): UploadSession {
  return {
    server: { url, token: null },
    path: '/api/v1/uploads/1',
    offer: { treeDigest: 'sha256:0', entryCount: 1 },
    signal: new AbortController().signal,
    onSent: () => {},
  } as unknown as UploadSession
}

test('a manifest that cannot be made fails its upload', async () => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end())
  })
  const session = sessionOf(await listen(server))
  const tree = {
    source: { count: 1 },
    *text(): Generator<Buffer> {
      yield Buffer.from('f 644 ')
      throw new Error('no more')
    },
  } as unknown as HashedTree
  await expect(offerManifest(session, tree)).rejects.toThrow('no more')
})

// A list has at most 16 MiB, and that of one file can come close to it.
test('parts of files that one list cannot hold are offered in several', async () => {
  const offered: string[][] = []
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      const files = decodeComposites(body)
      offered.push(files.map(({ digest }) => digest))
      // The last part of each file.
      let end = 0
      response.end(encodeOrdinals(files.map(({ parts }) => (end += parts.length) - 1)))
    })
  })
  const part = digestOf('part')
  const files = [130_000, 130_000, 130_001, 7].map((count, index) => ({
    digest: digestOf(`file ${index}`),
    sizeBytes: count,
    crc32: 0,
    parts: Array.from({ length: count }, () => part),
  }))
  const [a, b, c, d] = files.map(({ digest }) => digest)
  const missing = await offerParts(sessionOf(await listen(server)), files)
  expect(offered).toEqual([
    [a, b],
    [c, d],
  ])
  expect(missing.map((own) => [...own])).toEqual([[129_999], [129_999], [130_000], [6]])
})
