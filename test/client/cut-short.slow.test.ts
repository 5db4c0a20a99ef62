/** Bodies that something between client and server cuts short, and ends as if they were whole. */
import { chmod } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { readArchive } from '../../src/client/whole-artifact.ts'
import { readEntries } from '../../src/client/read-entries.ts'
import { NetworkError } from '../../src/client/transport/network-error.ts'
import { listen } from './listen.ts'
import { openClientServer, uploadDirectory } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

const server = await openClientServer()
const { token } = server
const direct = createClient({ url: server.url, token, cacheDir: null })
const signal = new AbortController().signal

const tree = { 'a/x': 'x', 'a-b': 'b', 'd/e/f': 'f', 'd/g': 'g', d0: '0', 'e/h': 'h' }
const root = await makeDirectory({ ...tree, empty: null })
// Makes it an entry of its own.
await chmod(join(root, 'd'), 0o700)
const { artifact } = await uploadDirectory(direct, root)

/** A server between that passes on no Range, and of each body only what `shorten` returns. */
async function cutting(shorten: (body: Buffer) => Buffer): Promise<string> {
  return await listen(
    createServer((incoming, outgoing) => {
      const { range: _range, ...headers } = incoming.headers
      request(`${server.url}${incoming.url}`, { headers }, (answer) => {
        void (async () => {
          const body = shorten(await buffer(answer))
          const { 'transfer-encoding': _encoding, ...own } = answer.headers
          outgoing.writeHead(answer.statusCode!, { ...own, 'content-length': body.length })
          outgoing.end(body)
        })()
      }).end()
    }),
  )
}

describe('an archive', () => {
  const kinds = [
    ['zip', []],
    ['tar.gz', []],
    ['zip', ['d/**']],
    ['tar.gz', ['d/**']],
  ] as const
  const readThrough = async (
    url: string,
    format: 'zip' | 'tar.gz',
    paths: readonly string[],
  ): Promise<Buffer> =>
    await buffer(readArchive({ url, token }, { artifactId: artifact.id, format, paths }, signal))

  test.each(kinds)('%s of %o that is cut short fails', async (format, paths) => {
    const whole = await readThrough(server.url, format, paths)
    expect(await readThrough(await cutting((body) => body), format, paths)).toEqual(whole)
    const url = await cutting((body) => body.subarray(0, body.length - 30))
    await expect(readThrough(url, format, paths)).rejects.toThrow(
      `broke off after ${whole.length - 30} bytes, and something on the way does not pass ranges on`,
    )
  })
})

describe('a listing', () => {
  const listThrough = async (url: string, under: string): Promise<string[]> => {
    const paths: string[] = []
    for await (const { path } of readEntries({ url, token }, artifact.id, { under, signal }))
      paths.push(path)
    return paths
  }
  /** Without its last line. */
  const shorten = (body: Buffer): Buffer =>
    body.subarray(0, body.lastIndexOf('\n', body.length - 2) + 1)

  test.each([
    ['', [...Object.keys(tree), 'd', 'empty']],
    ['d', ['d', 'd/e/f', 'd/g']],
    ['empty', ['empty']],
    ['e', ['e/h']],
    ['d0', ['d0']],
  ])('below %j that ends between two lines fails', async (under, wanted) => {
    const paths = await listThrough(server.url, under)
    expect(paths.toSorted()).toEqual(wanted.toSorted())
    expect(await listThrough(await cutting((body) => body), under)).toEqual(paths)
    const cut = listThrough(await cutting(shorten), under)
    await expect(cut).rejects.toBeInstanceOf(NetworkError)
    await expect(cut).rejects.toThrow('sent an incomplete listing')
  })
})
