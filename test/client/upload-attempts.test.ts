/** Uploads to servers of which single requests fail. */
import { readdir, stat } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { encodeOrdinals } from '../../src/core/bytes/blob-exchange.ts'
import { listen } from './listen.ts'
import { uploadDirectory } from './shared-server.ts'
import { makeDirectory } from './tree.ts'

type Respond = (response: ServerResponse) => unknown

const json =
  (body: object): Respond =>
  (response) =>
    response.end(JSON.stringify(body))

/** A server that takes an upload and lacks nothing, but for the steps given. Returns the steps that
 *  were asked for. */
async function serve(own: Record<string, Respond>): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const steps: Record<string, Respond> = {
    uploads: json({ state: 'open', id: '0'.repeat(32), needs: 'manifest' }),
    manifest: (response) => response.end(),
    times: (response) => response.writeHead(204).end(),
    packs: json({ blobs: 1, newBytes: 1 }),
    commit: json({ created: true, artifact: { id: 1 } }),
    ...own,
  }
  const server = createServer((request, response) => {
    const step = basename(new URL(request.url!, 'http://any').pathname)
    request.resume().on('end', () => {
      // Asked only if hashing takes long.
      if (step === 'check') response.writeHead(204).end()
      else {
        asked.push(step)
        steps[step]!(response)
      }
    })
  })
  return { url: await listen(server), asked }
}

async function upload(url: string, signal = new AbortController().signal): Promise<unknown> {
  const client = createClient({ url, token: null, cacheDir: null })
  return await uploadDirectory(client, await makeDirectory({ a: 'a', d: null }), { signal })
}

test('requests of an attempt end with it, so that the next one does not send beside them', async () => {
  let ended = false
  const { url, asked } = await serve({
    manifest: (response) => {
      response.on('close', () => {
        ended = true
      })
    },
    times: async (response) => {
      await expect.poll(() => asked).toContain('manifest')
      json({ status: 403, code: 'forbidden', detail: 'not now' })(response.writeHead(403))
    },
  })
  await expect(upload(url)).rejects.toMatchObject({ code: 'forbidden' })
  await expect.poll(() => ended).toBe(true)
})

test('a redirect fails at once, since it will not pass', async () => {
  const { url, asked } = await serve({
    uploads: (response) => response.writeHead(308, { location: 'https://store.example' }).end(),
  })
  await expect(upload(url)).rejects.toThrow(
    `${url} cannot be reached: it responded 308, a redirect to https://store.example`,
  )
  expect(asked).toEqual(['uploads'])
})

// 408: too slow for a proxy on the way.
test.each([408, 502])(
  'a request with contents that got a %i is not repeated before the server has said what is still missing',
  async (status) => {
    let packs = 0
    const { url, asked } = await serve({
      manifest: (response) => response.end(encodeOrdinals([0])),
      packs: (response) => {
        packs += 1
        if (packs === 1) response.writeHead(status).end()
        else json({ blobs: 1, newBytes: 1 })(response)
      },
    })
    expect(await upload(url)).toMatchObject({ created: true })
    const attempt = ['uploads', 'manifest', 'times', 'packs']
    expect(asked.toSorted()).toEqual([...attempt, ...attempt, 'commit'].toSorted())
  },
)

test('each attempt of an upload finds the tree in the cache as the first one left it', async () => {
  const cacheDir = await makeDirectory()
  const cached = async (): Promise<number[]> => {
    const paths = await readdir(join(cacheDir, 'stat'))
    return await Promise.all(
      paths.map(async (path) => (await stat(join(cacheDir, 'stat', path))).ino),
    )
  }
  const found: number[][] = []
  const { url } = await serve({
    manifest: (response) => response.end(encodeOrdinals([0])),
    packs: async (response) => {
      found.push(await cached())
      if (found.length < 3) response.writeHead(502).end()
      else json({ blobs: 1, newBytes: 1 })(response)
    },
  })
  const client = createClient({ url, token: null, cacheDir })
  await uploadDirectory(client, await makeDirectory({ a: 'a' }))
  expect(found).toEqual([found[0], found[0], found[0]])
  expect(found[0]).toHaveLength(1)
})

test.each(['uploads', 'manifest', 'times', 'packs', 'commit'])(
  'an upload that is aborted does not wait for the response to %s',
  async (step) => {
    const stop = new AbortController()
    let ended = false
    const { url } = await serve({
      manifest: (response) => response.end(encodeOrdinals([0])),
      [step]: (response: ServerResponse) => {
        response.on('close', () => {
          ended = true
        })
        stop.abort()
      },
    })
    await expect(upload(url, stop.signal)).rejects.toMatchObject({ name: 'AbortError' })
    await expect.poll(() => ended).toBe(true)
  },
)

test('a server that lacks contents of an upload that has none such is not believed', async () => {
  const { url } = await serve({ manifest: (response) => response.end(encodeOrdinals([2])) })
  await expect(upload(url)).rejects.toThrow(
    `${url} sent a response that this version cannot read: number 2 of a list of 2`,
  )
})
