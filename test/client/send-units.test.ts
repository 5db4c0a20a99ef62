/** How units are divided over requests, and what one failure does to them. */
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import type { FilePool } from '../../src/client/files/file-pool.ts'
import type { EncodePiece } from '../../src/client/files/file-tasks.ts'
import { sendUnits } from '../../src/client/upload/send-units.ts'
import type { SendUnit } from '../../src/client/upload/upload-plan.ts'
import type { UploadSession } from '../../src/client/upload/upload-session.ts'
import { listen } from './listen.ts'

const mib = 1024 * 1024

/** A unit of one task for each size. */
function unitOf(...sizes: number[]): SendUnit {
  const tasks = sizes.map((sizeBytes) => [{ sizeBytes } as EncodePiece])
  return { tasks, end: null, contentBytes: sizes.reduce((sum, size) => sum + size, 0) }
}

/** Sends units whose contents do not compress; returns the lengths of the request bodies. */
async function send(
  units: SendUnit[],
  encode: (bytes: number) => Buffer = (bytes) => Buffer.alloc(bytes),
): Promise<number[]> {
  const lengths: number[] = []
  const server = createServer((request, response) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    request.on('end', () => {
      lengths.push(bytes)
      response.end('{"blobs":1,"newBytes":1}')
    })
  })
  const session = {
    server: { url: await listen(server), token: null },
    path: '/api/v1/uploads/1',
    signal: new AbortController().signal,
    onSent: () => {},
  } as unknown as UploadSession
  const pool = {
    threads: 1,
    run: async ({ pieces }: { pieces: EncodePiece[] }) =>
      await Promise.resolve({ records: encode(pieces[0]!.sizeBytes) }),
  } as unknown as FilePool
  async function* all(): AsyncGenerator<SendUnit> {
    yield* units
  }
  await sendUnits(session, pool, all(), () => {})
  return lengths
}

test('a request ends before it outgrows a pack, and the first of a connection soon', async () => {
  const lengths = await send(Array.from({ length: 200 }, () => unitOf(mib)))
  expect(lengths.reduce((sum, bytes) => sum + bytes, 0)).toBe(200 * mib)
  // Two connections.
  expect(lengths.filter((bytes) => bytes <= 8 * mib).length).toBeGreaterThanOrEqual(2)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(56 * mib)
  expect(Math.max(...lengths)).toBeGreaterThan(50 * mib)
})

test('a large file is sent in one request, whatever its size', async () => {
  const large = unitOf(...Array.from({ length: 70 }, () => mib))
  expect(await send([large])).toEqual([70 * mib])
})

test('a task that fails fails with its own error', async () => {
  const units = Array.from({ length: 40 }, (_, index) => unitOf(index === 20 ? 1 : mib))
  const encode = (bytes: number): Buffer => {
    if (bytes === 1) throw new RangeError('the file changed')
    return Buffer.alloc(bytes)
  }
  await expect(send(units, encode)).rejects.toThrow(new RangeError('the file changed'))
})
