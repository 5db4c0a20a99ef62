/** The requests of an upload session. */
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import type { HashedTree } from '../../src/client/upload/hashed-tree.ts'
import { offerManifest, type UploadSession } from '../../src/client/upload/upload-session.ts'
import { listen } from './listen.ts'

test('a manifest that cannot be made fails its upload', async () => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end())
  })
  const session = {
    server: { url: await listen(server), token: null },
    path: '/api/v1/uploads/1',
    offer: { treeDigest: 'sha256:0', entryCount: 1 },
    signal: new AbortController().signal,
    onSent: () => {},
  } as unknown as UploadSession
  const tree = {
    source: { count: 1 },
    *text(): Generator<Buffer> {
      yield Buffer.from('f 644 ')
      throw new Error('no more')
    },
  } as unknown as HashedTree
  await expect(offerManifest(session, tree)).rejects.toThrow('no more')
})
