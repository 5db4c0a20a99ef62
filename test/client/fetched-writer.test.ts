/** How fetched streams reach the worker threads: through few and small buffers, in any mixture of
 *  whole files and parts. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  createFetchedWriter,
  type FetchedWriter,
  taskBytes,
} from '../../src/client/download/fetched-writer.ts'
import { createRooms, type Rooms } from '../../src/client/download/rooms.ts'
import { openFilePool } from '../../src/client/files/file-pool.ts'
import { digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { makeDirectory, pseudoRandom } from './tree.ts'

interface Sent {
  /** The file that the content is a part of, from `offset` on; absent for a whole file. */
  partOf?: string
  offset?: number
  content: Buffer
}

/** Returns a function that opens writers which share `rooms`; numbers of streams are ordinals.
 *  Files are named after their ordinals. */
async function writing(
  sent: readonly Sent[],
  { rooms, taskFiles }: { rooms: Rooms; taskFiles: number },
) {
  const pool = openFilePool(2)
  onTestFinished(async () => await pool.close())
  const root = await makeDirectory({ parts: Buffer.alloc(1000), others: Buffer.alloc(1000) })
  const placed: number[] = []
  const pathOf = (ordinal: number): string => join(root, String(ordinal))
  const open = (wanted: (ordinal: number) => Buffer = (ordinal) => sent[ordinal]!.content) =>
    createFetchedWriter(pool, {
      rooms,
      taskFiles,
      source: {
        sharers: (ordinal) => [ordinal],
        digest: (ordinal) => digestToBytes(digestOf(wanted(ordinal))),
        target: (ordinal) => ({ path: pathOf(ordinal), mode: 0o644, modifiedAt: 1_000_000_000 }),
      },
      onPlaced: (ordinal, stats) => {
        expect(stats[0]).toBe(sent[ordinal]!.content.length)
        placed.push(ordinal)
      },
    })
  const add = async (writer: FetchedWriter, ordinal: number): Promise<void> => {
    const { partOf, offset = 0, content } = sent[ordinal]!
    const { length } = content
    const head = {
      ordinal,
      offset,
      sizeBytes: length,
      codec: 'stored',
      lengthBytes: length,
    } as const
    const room = await writer.add(head, partOf === undefined ? undefined : join(root, partOf))
    expect(room.length).toBe(length)
    room.set(content)
  }
  return { root, open, add, pathOf, placed }
}

test.each([2, 100])(
  'files and parts in any order are written through one buffer, with %d files per task',
  async (taskFiles) => {
    const whole = (length: number): Sent => ({ content: pseudoRandom(length, `whole ${length}`) })
    const part = (partOf: string, offset: number, length: number): Sent => ({
      partOf,
      offset,
      content: pseudoRandom(length, `${partOf} ${offset}`),
    })
    const sent = [
      ...[1, 2, 3, 4, 60, 40, 41, 100, 0].map(whole),
      part('parts', 0, 30),
      part('parts', 500, 60),
      part('parts', 30, 11),
      part('others', 7, 20),
      ...[5, taskBytes + 1, 6].map(whole),
      part('parts', 900, 100),
    ]
    const made = await writing(sent, { rooms: createRooms(1, 100), taskFiles })
    const writer = made.open()
    for (const ordinal of sent.keys()) await made.add(writer, ordinal)
    await writer.finish()
    const files = { parts: Buffer.alloc(1000), others: Buffer.alloc(1000) }
    for (const [ordinal, { partOf, offset, content }] of sent.entries()) {
      if (partOf === undefined)
        expect(digestOf(await readFile(made.pathOf(ordinal)))).toBe(digestOf(content))
      else content.copy(files[partOf as keyof typeof files], offset)
    }
    for (const [name, content] of Object.entries(files))
      expect(await readFile(join(made.root, name)), name).toEqual(content)
    const wholes = [...sent.keys()].filter((ordinal) => sent[ordinal]!.partOf === undefined)
    expect(made.placed.toSorted((a, b) => a - b)).toEqual(wholes)
  },
)

test('a response that fails or is abandoned gives its buffers to the others', async () => {
  const sent = [1, 2, 3].map((seed) => ({ content: pseudoRandom(100, String(seed)) }))
  const made = await writing(sent, { rooms: createRooms(1, 100), taskFiles: 100 })
  const failing = made.open(() => Buffer.from('other content'))
  await made.add(failing, 0)
  // The first stream is written while the second one waits for its buffer.
  await made.add(failing, 1)
  await expect(made.add(failing, 2)).rejects.toMatchObject({ code: 'digest_mismatch' })
  await expect(failing.finish()).rejects.toMatchObject({ code: 'digest_mismatch' })
  expect(existsSync(made.pathOf(0))).toBe(false)
  const abandoned = made.open()
  await made.add(abandoned, 1)
  const other = made.open()
  const adding = made.add(other, 2)
  await abandoned.abandon()
  await adding
  await other.finish()
  expect(existsSync(made.pathOf(1))).toBe(false)
  expect(await readFile(made.pathOf(2))).toEqual(sent[2]!.content)
})

test('nothing is written any more once a response has been abandoned', async () => {
  const sent = Array.from({ length: 30 }, (_, seed) => ({
    content: pseudoRandom(taskBytes, String(seed)),
  }))
  const made = await writing(sent, { rooms: createRooms(30, taskBytes), taskFiles: 100 })
  const writer = made.open()
  for (const ordinal of sent.keys()) await made.add(writer, ordinal)
  await writer.abandon()
  // All but the last, whose task was not begun.
  expect(made.placed).toHaveLength(29)
  expect(existsSync(made.pathOf(29))).toBe(false)
})
