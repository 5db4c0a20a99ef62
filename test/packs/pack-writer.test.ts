/** The pack writer as its callers use it: order of calls, failures, sizes of writes. */
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { findFramingFault } from '../../src/packs/format/framing.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import type { PackBody } from '../../src/packs/format/member-writer.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import type { PackSink, PackStore, SealedPack } from '../../src/packs/pack-store.ts'
import { makeMember, type Member, readDirectory, split } from './pack-members.ts'
import { fileDirectory } from '../temporary-directory.ts'

/** Of a member with a name of usual length. */
const headerBytes = 52
const root = fileDirectory()
let store: PackStore

beforeAll(async () => {
  store = await openLocalPackStore({ directory: root })
})

afterAll(async () => {
  await store.close()
})

test.each([
  ['members of their own', 'stored', 0],
  ['joined members', 'joining', limits.joinedMemberBytes + 100],
] as const)('copies in %s are gathered into few large writes', async (_in, codec, reserved) => {
  const writes: number[] = []
  const member = await makeMember(codec, randomBytes(500))
  const writer = await openPackWriter({ create: async () => countingSink(writes) })
  for (let index = 0; index < 10_000; index++) await writer.append(member, member.stream)
  const { sizeBytes } = await writer.seal()
  const shortest = limits.packWriteBytes - reserved
  expect(writes.length).toBeLessThanOrEqual(Math.ceil(sizeBytes / shortest) + 1)
  expect(Math.max(...writes)).toBeLessThanOrEqual(limits.packWriteBytes)
})

function countingSink(writes: number[]): PackSink {
  let sizeBytes = 0
  return {
    name: '0'.repeat(32),
    write: async (bytes) => {
      writes.push(bytes.length)
      sizeBytes += bytes.length
    },
    seal: async () => ({ name: '0'.repeat(32), sizeBytes }),
    abort: async () => {},
  }
}

/** Takes one write at a time, and the bytes only later. */
function slowSink(): { sink: PackSink; bytes: () => Buffer } {
  const taken: Buffer[] = []
  let isWriting = false
  const write = async (bytes: Uint8Array): Promise<void> => {
    if (isWriting) throw new Error('a write began before the last one had ended')
    isWriting = true
    await setImmediate()
    taken.push(Buffer.from(bytes))
    isWriting = false
  }
  const seal = async (): Promise<SealedPack> => {
    if (isWriting) throw new Error('sealed before the last write had ended')
    return { name: '0'.repeat(32), sizeBytes: Buffer.concat(taken).length }
  }
  return { sink: { ...countingSink([]), write, seal }, bytes: () => Buffer.concat(taken) }
}

/** Appends through a store that takes its time, and reads everything back. */
async function expectWritten(copies: { member: Member; body: PackBody }[]): Promise<void> {
  const { sink, bytes } = slowSink()
  const writer = await openPackWriter({ create: async () => sink })
  const offsets: number[] = []
  for (const { member, body } of copies) offsets.push((await writer.append(member, body)).offset)
  const { name, sizeBytes } = await writer.seal()
  const pack = bytes()
  const held = { read: async (_: string, at: number, n: number) => pack.subarray(at, at + n) }
  expect(await findFramingFault(held, name, sizeBytes, new Set())).toBeNull()
  const found = await readDirectory(held, { name, sizeBytes })
  expect(found.map(({ offset }) => offset)).toEqual(offsets)
  for (const [index, { member }] of copies.entries()) {
    const [at, end] = [offsets[index]!, offsets[index]! + member.lengthBytes]
    expect(member.stream.equals(pack.subarray(at, end))).toBe(true)
  }
}

// Method: a first copy that leaves `room` bytes of the buffer behind what the others need: then it
// becomes full in a header, a final block, a list, the directory or the end record.
test.each([
  ['joined copies and their list', 'joining', 4, 131_062],
  ['a copy with a final block', 'joining', 1, 200_000],
  ['a short copy', 'stored', 1, 1],
] as const)(
  'a pack is whole wherever the buffer of its writer becomes full: %s',
  async (_, codec, count, size) => {
    const filling = randomBytes(limits.packWriteBytes)
    const others = await Promise.all(
      Array.from({ length: count }, () => makeMember(codec, randomBytes(size))),
    )
    const othersBytes = others.reduce((sum, { lengthBytes }) => sum + lengthBytes, 2 * headerBytes)
    const rooms = Array.from({ length: 20 }, (_none, at) => 20 * (at + 1))
    for (const room of [-headerBytes, -2, -1, 0, 1, 2, 3, ...rooms]) {
      const first = await makeMember('stored', filling.subarray(othersBytes + room))
      const members = [first, ...others]
      await expectWritten(members.map((member) => ({ member, body: member.stream })))
    }
  },
)

test('pieces of a body longer, as long as, and much shorter than the buffer are written in order', async () => {
  const pieces = [0, 1, 0, -1, 1, 2].map((more) => randomBytes(limits.packWriteBytes + more))
  pieces.splice(1, 0, Buffer.from('1'))
  const member = await makeMember('stored', Buffer.concat(pieces))
  const body = async function* (): AsyncGenerator<Buffer, void, undefined> {
    yield* pieces
  }
  await expectWritten([{ member, body: body() }])
})

test('a body of the wrong length is rejected, and the pack can only be aborted', async () => {
  const member = await makeMember('stored', Buffer.from('0123456789'))
  const longer = Buffer.from('0123456789+')
  for (const body of [
    longer,
    member.content.subarray(1),
    split(longer, 1),
    split(member.content.subarray(1), 4),
  ]) {
    const writer = await openPackWriter(store)
    await writer.append(member, member.stream)
    await expect(writer.append(member, body)).rejects.toThrow(/expected 10 bytes, got (9|11)/)
    await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
    await expect(writer.seal()).rejects.toThrow(/is over/)
    await writer.abort()
  }
  expect(await store.removeUnsealed(Number.POSITIVE_INFINITY)).toBe(0)
})

test('a body that fails leaves a pack that can only be aborted', async () => {
  const cause = new Error('the body broke')
  async function* broken(): AsyncGenerator<Buffer, void, undefined> {
    yield Buffer.from('01234')
    throw cause
  }
  const member = await makeMember('stored', Buffer.from('0123456789'))
  const writer = await openPackWriter(store)
  await expect(writer.append(member, broken())).rejects.toBe(cause)
  await expect(writer.seal()).rejects.toThrow(/is over/)
  await writer.abort()
})

test('overlapping calls, a call after the end, and an empty pack are rejected', async () => {
  const member = await makeMember('stored', Buffer.from('content'))
  const writer = await openPackWriter(store)
  const first = writer.append(member, split(member.stream, 2))
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is busy/)
  await first
  await writer.seal()
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
  await writer.abort()
  const empty = await openPackWriter(store)
  await expect(empty.seal()).rejects.toThrow(/without members/)
  await empty.abort()
})

test('an abort in the middle of an append takes precedence', async () => {
  const member = await makeMember('stored', Buffer.from('content'))
  const writer = await openPackWriter(store)
  const append = writer.append(member, split(member.stream, 2))
  await writer.abort()
  await append
  await expect(writer.append(member, member.stream)).rejects.toThrow(/is over/)
})

test('a failing store leaves nothing visible, and its error is passed on', async () => {
  const cause = new Error('no more')
  const member = await makeMember('stored', randomBytes(limits.packWriteBytes))
  let writesLeft = 2
  let aborted = false
  const sink: PackSink = {
    ...countingSink([]),
    write: async () => {
      if (writesLeft-- === 0) throw cause
    },
    abort: async () => {
      aborted = true
    },
  }
  const writer = await openPackWriter({ create: async () => sink })
  const append = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await writer.append(member, member.stream)
  }
  await expect(append()).rejects.toBe(cause)
  await writer.abort()
  expect(aborted).toBe(true)
})
