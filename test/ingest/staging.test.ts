/** Staging: which bytes an upload has, whatever the order of its blocks. */
import { writeFileSync } from 'node:fs'
import { link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/bytes/digest.ts'
import { storeError } from '../../src/core/errors.ts'
import { limits } from '../../src/core/limits.ts'
import { removeStaged } from '../../src/ingest/staging/remove-staged.ts'
import { openStagedReader } from '../../src/ingest/staging/staged-reader.ts'
import { openStaging, type Staging, type StagingOptions } from '../../src/ingest/staging/staging.ts'
import { blockFile, ledgerOf, requireRoomForBlock } from '../../src/ingest/staging/staging-area.ts'
import { countingTurns } from '../loop-turns.ts'
import { testDirectory } from '../temporary-directory.ts'

const id = 'ab'.repeat(16)

async function fresh(
  uploadBytesMax = 1000,
  more: Partial<StagingOptions> = {},
): Promise<{ root: string; staging: Staging }> {
  const root = join(testDirectory(), 'uploads')
  const staging = await openStaging(root, { uploadBytesMax, ...more })
  await staging.openUpload(id)
  return { root, staging }
}

async function put(staging: Staging, block: string, text: string): Promise<void> {
  await staging.writeBlock(id, block, Readable.from([Buffer.from(text)]))
}

async function assembled(staging: Staging, digest: Digest): Promise<string> {
  const { directory } = await staging.readAssembled(id, digest)
  const names = (await readdir(directory)).sort()
  const texts = await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))
  const reader = await openStagedReader({ directory })
  expect(String(await reader.read(0, reader.sizeBytes))).toBe(texts.join(''))
  await reader.close()
  return texts.join('')
}

test('a block that is sent twice at once counts once', async () => {
  const { staging } = await fresh(25)
  await Promise.all([put(staging, 'a', 'x'.repeat(10)), put(staging, 'a', 'y'.repeat(10))])
  await put(staging, 'b', 'z'.repeat(10))
  await Promise.all([put(staging, 'a', 'x'.repeat(5)), put(staging, 'a', 'y'.repeat(5))])
  await expect(put(staging, 'c', 'z'.repeat(11))).rejects.toThrow('larger than 25 bytes')
})

test('the list decides the order, whatever the order of arrival, and a block sent twice has its last bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', '../x'), fc.string({ maxLength: 9 })), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.infiniteStream(fc.nat()),
      async (puts, picks) => {
        const { staging } = await fresh()
        const expected = new Map<string, string>()
        for (const [block, text] of puts) {
          await put(staging, block, text)
          expected.set(block, text)
        }
        const known = [...expected.keys()]
        const list = puts.map(() => known[(picks.next().value as number) % known.length] ?? '')
        const { digest, sizeBytes } = await staging.assemble(id, list)
        const whole = list.map((block) => expected.get(block)).join('')
        expect(await assembled(staging, digest)).toBe(whole)
        expect(sizeBytes).toBe(Buffer.byteLength(whole))
      },
    ),
    { numRuns: 30 },
  )
})

test('blocks that arrive concurrently are all kept', async () => {
  const { staging } = await fresh()
  const blocks = Array.from({ length: 40 }, (_, at) => `block ${at}`)
  await Promise.all(blocks.map((block) => put(staging, block, `<${block}>`)))
  const { digest } = await staging.assemble(id, blocks)
  expect(await assembled(staging, digest)).toBe(blocks.map((block) => `<${block}>`).join(''))
})

test('a block that is sent again after the list changes nothing', async () => {
  const { root, staging } = await fresh()
  await put(staging, 'a', 'first')
  const { digest } = await staging.assemble(id, ['a'])
  await put(staging, 'a', 'late retry')
  expect(await assembled(staging, digest)).toBe('first')
  expect(await staging.assemble(id, ['a'])).toMatchObject({ digest })
  expect(await assembled(staging, digest)).toBe('first')
  expect((await readdir(join(root, id))).toSorted()).toEqual([blockFile('a'), `list-${digest}`])
})

test('lists of one upload that name other blocks, or in another order, are other bytes', async () => {
  const { staging } = await fresh()
  for (const block of ['a', 'b', 'ab', '1:a', 'a,1:b']) await put(staging, block, `<${block}>`)
  for (const list of [['a', 'b'], ['b', 'a'], ['a'], ['ab'], ['a,1:b'], ['a', 'b', 'b']]) {
    const { digest } = await staging.assemble(id, list)
    expect(await staging.listDigest(list)).toBe(digest)
    expect(await assembled(staging, digest)).toBe(list.map((block) => `<${block}>`).join(''))
  }
})

test('a list with a block that was never sent is rejected and leaves no trace', async () => {
  const { root, staging } = await fresh()
  await put(staging, 'a', 'x')
  await expect(staging.assemble(id, ['a', 'b'])).rejects.toMatchObject({
    code: 'unknown_block',
    details: { blockId: 'b' },
  })
  expect((await readdir(join(root, id))).filter((name) => !name.startsWith('block-'))).toEqual([])
})

test('an empty list is an empty upload', async () => {
  const { staging } = await fresh()
  const { digest, sizeBytes } = await staging.assemble(id, [])
  expect(sizeBytes).toBe(0)
  expect(await assembled(staging, digest)).toBe('')
})

test('a whole body is named by its content and may be sent again', async () => {
  const { staging } = await fresh()
  for (let turn = 0; turn < 2; turn += 1) {
    const { digest } = await staging.writeWhole(id, Readable.from([Buffer.from('whole')]))
    expect(digest).toBe(digestOf('whole'))
    expect(await assembled(staging, digest)).toBe('whole')
  }
})

test('a body that fails leaves neither a block nor a file, and its bytes do not count', async () => {
  const { root, staging } = await fresh(10)
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('12345678')
      throw new Error('the sender went away')
    })(),
  )
  await expect(staging.writeBlock(id, 'a', broken)).rejects.toThrow('the sender went away')
  expect(await readdir(join(root, id))).toEqual([])
  await put(staging, 'a', '1234567890')
})

test('a body that arrived but finds no place leaves nothing either', async () => {
  const full = storeError('storage_full', 'the disk is full', { neededBytes: 1 })
  const ofBlock = await fresh(10, {
    checkpoint: async (step) => {
      if (step === 'block-received') throw full
    },
  })
  await expect(put(ofBlock.staging, 'a', '1234')).rejects.toBe(full)
  expect(await readdir(join(ofBlock.root, id))).toEqual([])
  await expect(ofBlock.staging.assemble(id, [])).rejects.toBe(full)
  const { root, staging } = await fresh(10)
  const taken = join(root, id, `list-${digestOf('12345678')}`)
  await writeFile(taken, 'not a directory')
  const send = async (): Promise<unknown> =>
    await staging.writeWhole(id, Readable.from([Buffer.from('12345678')]))
  await expect(send()).rejects.toMatchObject({ code: 'ENOTDIR' })
  expect(await readdir(join(root, id))).toEqual([`list-${digestOf('12345678')}`])
  await removeStaged(taken)
  expect(await send()).toMatchObject({ sizeBytes: 8 })
  await put(staging, 'a', '12')
})

test('all blocks together stay within the limit, replaced ones do not count, also after a restart', async () => {
  const { root, staging } = await fresh(10)
  await put(staging, 'a', '123456')
  await put(staging, 'a', '1234')
  await put(staging, 'b', '123456')
  await expect(put(staging, 'c', '1')).rejects.toMatchObject({
    code: 'too_large',
    details: { setting: 'TROVE_MAX_ARTIFACT' },
  })
  await staging.assemble(id, ['a'])
  const again = await openStaging(root, { uploadBytesMax: 10 })
  await expect(put(again, 'c', '1')).rejects.toMatchObject({ code: 'too_large' })
  await put(await openStaging(root, { uploadBytesMax: 11 }), 'c', '1')
  // A list may name a block several times, and counts it each time.
  await expect(staging.assemble(id, ['b', 'b'])).rejects.toMatchObject({ code: 'too_large' })
})

// That `writeBlock` checks this is not tested: it takes a hundred thousand files.
test('the number of blocks of an upload is bounded, even if they are empty', async () => {
  const { root, staging } = await fresh()
  for (const block of ['a', 'b', 'a']) await put(staging, block, '')
  const ledger = await ledgerOf(
    { root, uploadBytesMax: 1000, requireRoom: async () => {}, ledgers: new Map() },
    id,
  )
  expect(ledger).toMatchObject({ heldBytes: 0, blocks: 2 })
  requireRoomForBlock(ledger)
  const details = { limitValue: limits.stagedBlocksMax }
  expect(() => requireRoomForBlock({ ...ledger, blocks: limits.stagedBlocksMax })).toThrow(
    expect.objectContaining({ code: 'too_large', details: expect.objectContaining(details) }),
  )
})

test('an upload whose blocks cannot be counted goes on when they can', async () => {
  const { root, staging } = await fresh()
  const whole = async (): Promise<unknown> =>
    await staging.writeWhole(id, Readable.from([Buffer.from('1')]))
  await removeStaged(join(root, id))
  await writeFile(join(root, id), 'not a directory')
  await expect(whole()).rejects.toMatchObject({ code: 'ENOTDIR' })
  await removeStaged(join(root, id))
  await expect(whole()).rejects.toMatchObject({ code: 'not_found' })
  await staging.openUpload(id)
  expect(await whole()).toMatchObject({ sizeBytes: 1 })
})

test('an upload of the maximum size can be sent again, block by block or whole', async () => {
  const { staging } = await fresh(10)
  await put(staging, 'a', '123456')
  for (let turn = 0; turn < 3; turn += 1) await put(staging, 'b', '7890')
  await expect(put(staging, 'b', '78901')).rejects.toMatchObject({ code: 'too_large' })
  await expect(put(staging, 'c', '1')).rejects.toMatchObject({ code: 'too_large' })
  const { digest } = await staging.assemble(id, ['a', 'b'])
  expect(await assembled(staging, digest)).toBe('1234567890')
  const whole = await fresh(10)
  const send = async (text: string): Promise<unknown> =>
    await whole.staging.writeWhole(id, Readable.from([Buffer.from(text)]))
  for (let turn = 0; turn < 3; turn += 1) await send('1234567890')
  await expect(send('12345678901')).rejects.toMatchObject({ code: 'too_large' })
  // A different whole body takes space of its own, for which there is as much again.
  await send('0987654321')
  await expect(send('x')).rejects.toMatchObject({ code: 'too_large' })
})

test('an upload that was removed accepts no blocks', async () => {
  const { staging } = await fresh()
  await put(staging, 'a', 'x')
  await staging.removeUpload(id)
  await expect(put(staging, 'a', 'x')).rejects.toMatchObject({ code: 'not_found' })
  await expect(staging.assemble(id, [])).rejects.toMatchObject({ code: 'not_found' })
  expect(await staging.listUploads()).toEqual([])
  await staging.removeUpload(id)
})

test('a block that cannot get its name is not accepted', async () => {
  const { root, staging } = await fresh(10, {
    checkpoint: async (step) => {
      if (step !== 'block-received') return
      for (const name of await readdir(join(root, id))) await removeStaged(join(root, id, name))
    },
  })
  await expect(put(staging, 'a', 'x')).rejects.toMatchObject({ code: 'not_found' })
})

test('an upload that runs out of space drops its bytes and accepts nothing more', async () => {
  let room = 10
  let received = (): void => {}
  const { root, staging } = await fresh(1000, {
    requireRoom: async (bytes = 0) => {
      room -= bytes
      if (room < 0) throw storeError('storage_full', 'the disk is full', { neededBytes: 1 })
    },
    // The block is complete, but has no name yet.
    checkpoint: async (step) => {
      if (step === 'block-received' && room === 0) await new Promise<void>((go) => (received = go))
    },
  })
  const full = { code: 'storage_full', message: 'the disk is full' }
  await put(staging, 'a', '1234')
  const { digest } = await staging.assemble(id, ['a'])
  const justComplete = put(staging, 'b', '123456')
  await expect.poll(() => room).toBe(0)
  let goOn = (): void => {}
  let pieces = 0
  const arriving = staging.writeBlock(
    id,
    'c',
    Readable.from(
      (async function* () {
        await new Promise<void>((go) => (goOn = go))
        for (; pieces < 100; pieces++) yield Buffer.from('')
      })(),
    ),
  )
  await expect(put(staging, 'd', 'x')).rejects.toMatchObject(full)
  room = 100
  received()
  goOn()
  await Promise.all([
    expect(justComplete).rejects.toMatchObject(full),
    expect(arriving).rejects.toMatchObject(full),
  ])
  expect(pieces).toBeLessThan(100)
  await expect(put(staging, 'a', 'x')).rejects.toMatchObject(full)
  await expect(staging.assemble(id, [])).rejects.toMatchObject(full)
  await expect(staging.readAssembled(id, digest)).rejects.toMatchObject(full)
  expect(await readdir(join(root, id))).toEqual([])
  await staging.removeUpload(id)
  await staging.openUpload(id)
  await put(staging, 'a', 'x')
  await staging.abandon(id, storeError('storage_full', full.message, { neededBytes: null }))
  await expect(put(staging, 'a', 'x')).rejects.toMatchObject(full)
  expect(await readdir(join(root, id))).toEqual([])
})

test('nothing but an upload id names a directory', async () => {
  const { root, staging } = await fresh()
  for (const other of ['..', `../${id}`, `${id}/`, '', id.toUpperCase()]) {
    await expect(staging.openUpload(other)).rejects.toThrow('not an upload id')
    await expect(staging.removeUpload(other)).rejects.toThrow('not an upload id')
  }
  await staging.openUpload(id)
  expect(await readdir(join(root, '..'))).toEqual(['uploads'])
  expect(await readdir(root)).toEqual([id])
  // Such as the body of a request that waits for its turn.
  await writeFile(join(root, 'incoming-1'), '')
  expect(await staging.listUploads()).toEqual([id])
})

test('tidying drops what was arriving, and accepted bytes whose acceptance was never recorded', async () => {
  const { root, staging } = await fresh()
  await put(staging, 'a', 'x')
  const { digest } = await staging.assemble(id, ['a'])
  await writeFile(join(root, id, 'incoming-1'), 'half a bl')
  await link(join(root, id, 'incoming-1'), join(root, id, 'incoming-2'))
  await staging.tidyUpload(id, { isAccepted: true })
  expect(await assembled(staging, digest)).toBe('x')
  expect((await readdir(join(root, id))).some((name) => name.startsWith('incoming'))).toBe(false)
  await staging.tidyUpload(id, { isAccepted: false })
  await expect(staging.readAssembled(id, digest)).rejects.toMatchObject({ code: 'not_found' })
  await staging.assemble(id, ['a'])
  expect(await assembled(staging, digest)).toBe('x')
})

test('a rejection is remembered across a restart and removed with the upload', async () => {
  const { root, staging } = await fresh()
  expect(await staging.wasRefused(id)).toBe(false)
  await staging.markRefused(id)
  const again = await openStaging(root, { uploadBytesMax: 10 })
  await again.tidyUpload(id, { isAccepted: true })
  expect(await again.wasRefused(id)).toBe(true)
  await again.removeUpload(id)
  expect(await again.wasRefused(id)).toBe(false)
})

test('the digest of a long list is computed in turns of the event loop', async () => {
  const { staging } = await fresh()
  const ids = Array.from({ length: limits.blocksMax }, (_, at) => `${at}`.padStart(64, '0'))
  const { turns } = await countingTurns(async () => await staging.listDigest(ids))
  expect(turns).toBeGreaterThan(10)
})

// `rm` would begin with all files at once, which blocks the event loop.
test('a directory of many files is removed with few operations in flight', async () => {
  const { root, staging } = await fresh()
  for (let at = 0; at < 3000; at++) writeFileSync(join(root, id, `block-${at}`), '')
  let most = 0
  const watch = setInterval(() => {
    const active = process.getActiveResourcesInfo().filter((each) => each.startsWith('FSReq'))
    most = Math.max(most, active.length)
  }, 1)
  await staging.removeUpload(id)
  clearInterval(watch)
  expect(await staging.listUploads()).toEqual([])
  expect(most).toBeLessThan(50)
})

test('removing takes files, directories and what does not exist', async () => {
  const { root } = await fresh()
  await mkdir(join(root, id, 'list', 'inner'), { recursive: true })
  await writeFile(join(root, id, 'list', 'inner', '0'), 'x')
  await writeFile(join(root, id, 'file'), 'x')
  await removeStaged(join(root, id, 'file'))
  await removeStaged(join(root, id, 'none'))
  expect(await readdir(join(root, id))).toEqual(['list'])
  await removeStaged(join(root, id))
  expect(await readdir(root)).toEqual([])
})
