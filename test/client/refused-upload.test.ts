/** Uploads that the server refuses whatever they contain are refused while they are hashed. */
import { createServer } from 'node:http'
import { rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { createClient, type UploadProgress } from '../../src/client/client.ts'
import { requestBytes } from '../../src/client/transport/http.ts'
import { unlessRefused } from '../../src/client/upload/unless-refused.ts'
import type { UploadOptions } from '../../src/client/upload/upload.ts'
import { hasCode } from '../../src/core/errors.ts'
import { openSharedServer } from '../http/open-server.ts'
import { fileDirectory } from '../temporary-directory.ts'
import { makeDirectory } from './tree.ts'
import { listen } from './listen.ts'

const server = await openSharedServer()
const directory = fileDirectory()
/** Takes seconds to hash. */
const largeBytes = 32 * 1024 ** 3
beforeAll(async () => {
  const path = join(directory, 'large')
  await writeFile(path, '')
  await truncate(path, largeBytes)
  await server.put('1/held')
})

function uploadOf(root: string): UploadOptions {
  const source = { kind: 'patterns', patterns: ['.'], directory: root } as const
  return { project: 'octo/app', run: 1, name: 'large', source }
}

test.each<[string, TokenRequest, Partial<UploadOptions>, string]>([
  ['a token that has ended', { expiresInSeconds: -1 }, {}, 'unauthenticated'],
  ['a token that may only read', { scope: 'read' }, {}, 'forbidden'],
  ['a token of another run', { scope: 'job', run: 2, job: 'b' }, {}, 'forbidden'],
  ['a token of another project', { project: 'octo/other' }, {}, 'not_found'],
  ['a name that is taken', {}, { name: 'held', job: 'other' }, 'name_taken'],
])('%s ends an upload before its files are hashed', async (_, request, more, code) => {
  const client = createClient({
    url: server.url,
    token: await server.token(request),
    cacheDir: null,
  })
  let last: UploadProgress | undefined
  const onProgress = (progress: UploadProgress): void => {
    last = { ...progress }
  }
  await expect(
    client.upload({ ...uploadOf(directory), ...more, onProgress }),
  ).rejects.toMatchObject({ code })
  expect(last?.phase ?? 'hashing').toBe('hashing')
  expect(last?.hashedBytes ?? 0).toBeLessThan(largeBytes)
})

/** A server of which nothing but the question is known to work. */
async function startAnswering(
  status: number,
  body: object,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const answering = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify(body))
    })
  })
  return { url: await listen(answering), asked }
}

test('files that are hashed soon cost no question', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const { signal } = new AbortController()
  const asking = { server: { url: server.url, token: null }, target: uploadOf(directory), signal }
  await unlessRefused(asking, async () => await Promise.resolve(1))
  expect(vi.getTimerCount()).toBe(0)
})

test('an upload that fails leaves no question open', async () => {
  const root = await makeDirectory()
  const path = join(root, 'large')
  await writeFile(path, '')
  await truncate(path, largeBytes)
  let open = 0
  const silent = createServer(({ socket }) => {
    open += 1
    socket.once('close', () => (open -= 1))
  })
  const client = createClient({ url: await listen(silent), cacheDir: null })
  const uploading = client.upload(uploadOf(root))
  uploading.catch(() => {})
  await expect.poll(() => open).toBe(1)
  // Whether it is being read by now, or a worker is still starting.
  const elsewhere = join(await makeDirectory(), 'large')
  await rename(path, elsewhere)
  await truncate(elsewhere, 0)
  await expect(uploading).rejects.toMatchObject({ name: 'FileError', path })
  await expect.poll(() => open).toBe(0)
})

test.each([
  [
    'that is older than the question',
    404,
    'not_found',
    'there is no route POST /api/v1/uploads/check',
  ],
  ['that is stopping', 503, 'shutting_down', 'the server is stopping'],
])('a server %s ends nothing', async (_, status, code, detail) => {
  const { url, asked } = await startAnswering(status, { status, code, detail })
  const { signal } = new AbortController()
  const isPassing = (error: unknown): boolean => hasCode(error, 'shutting_down')
  const asking = { server: { url, token: null }, target: uploadOf(directory), signal, isPassing }
  const hashed = await unlessRefused(asking, async (either) => {
    await expect.poll(() => asked).toEqual(['POST /api/v1/uploads/check'])
    // The same connection: its response is read before this one.
    await requestBytes({ url, token: null }, { path: '/' }).catch(() => {})
    return either.aborted
  })
  expect(hashed).toBe(false)
})
