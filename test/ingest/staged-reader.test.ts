/** Staged bytes are several files that are read as one sequence, whatever their lengths. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import {
  type StagedReader,
  openStagedReader,
  windowed,
} from '../../src/ingest/staging/staged-reader.ts'
import { ordinalFile } from '../../src/ingest/staging/staging-area.ts'
import { openFilesIn } from '../open-files.ts'
import { testDirectory } from '../temporary-directory.ts'

const files = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 12 })
const picks = fc.array(fc.tuple(fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 })

function stage(directory: string, contents: Uint8Array[]): Buffer {
  for (const [index, content] of contents.entries())
    writeFileSync(join(directory, ordinalFile(index)), content)
  return Buffer.concat(contents)
}

async function streamed(
  reader: StagedReader,
  offset: number,
  lengthBytes: number,
): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of reader.stream(offset, lengthBytes)) pieces.push(piece)
  return Buffer.concat(pieces)
}

test('any range is that range of the joined files, alone, streamed, and through a window', async () => {
  const root = testDirectory()
  await fc.assert(
    fc.asyncProperty(files, picks, async (contents, ranges) => {
      const directory = mkdtempSync(join(root, 'list-'))
      const whole = stage(directory, contents)
      const reader = await openStagedReader({ directory })
      expect(reader.sizeBytes).toBe(whole.length)
      const window = windowed(reader)
      for (const [from, length] of ranges) {
        const offset = from % (whole.length + 1)
        const lengthBytes = length % (whole.length - offset + 1)
        const expected = whole.subarray(offset, offset + lengthBytes)
        expect((await reader.read(offset, lengthBytes)).equals(expected)).toBe(true)
        expect((await streamed(reader, offset, lengthBytes)).equals(expected)).toBe(true)
        expect((await window.read(offset, lengthBytes)).equals(expected)).toBe(true)
        const tooMany = whole.length - offset + 1
        await expect(reader.read(offset, tooMany)).rejects.toThrow(RangeError)
        await expect(window.read(offset, tooMany)).rejects.toThrow(RangeError)
      }
      await reader.close()
    }),
    { numRuns: 30 },
  )
})

test('bytes that are gone are told from bytes that are missing, and no file stays open', async () => {
  const directory = join(testDirectory(), 'list')
  mkdirSync(directory)
  stage(directory, [Buffer.from('first'), Buffer.from('second'), Buffer.from('third')])
  const reader = await openStagedReader({ directory })
  truncateSync(join(directory, ordinalFile(1)), 2)
  await expect(reader.read(3, 9)).rejects.toMatchObject({
    code: 'incomplete_body',
    details: { expectedBytes: 16, actualBytes: 7 },
  })
  expect(openFilesIn(directory)).toBe(1)
  rmSync(directory, { recursive: true })
  await expect(reader.read(12, 4)).rejects.toMatchObject({ code: 'not_found' })
  await expect(openStagedReader({ directory })).rejects.toMatchObject({ code: 'not_found' })
  await reader.close()
  expect(openFilesIn(directory)).toBe(0)
})

test('a range longer than what is read at once is streamed in order, and closing leaves no file open', async () => {
  const directory = join(testDirectory(), 'list')
  mkdirSync(directory)
  const part = Buffer.alloc(limits.readWindowBytes)
  for (let at = 0; at + 4 <= part.length; at += 4) part.writeUInt32LE(at, at)
  const whole = stage(directory, [part, Buffer.from('between'), part.subarray(0, 1000), part])
  const reader = await openStagedReader({ directory })
  for (const [from, length] of [
    [0, whole.length],
    [3, whole.length - 5],
  ] as const) {
    const read = await streamed(reader, from, length)
    expect(read.equals(whole.subarray(from, from + length))).toBe(true)
  }
  expect(openFilesIn(directory)).toBe(1)
  await reader.close()
  expect(openFilesIn(directory)).toBe(0)
})
