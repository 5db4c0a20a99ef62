import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import type { PackFile } from '../../src/packs/local/file-system.ts'
import { type ReadHandles, createReadHandles } from '../../src/packs/local/read-handles.ts'

interface Files {
  open: (name: string) => Promise<PackFile>
  opened: number
  openNow: number
}

/** Opens fake files that count how many are open, and fail when they are read after their close. */
function createFiles(): Files {
  const files: Files = {
    opened: 0,
    openNow: 0,
    open: async (name) => {
      await setImmediate()
      if (name === 'missing') throw new Error('no such file')
      let isOpen = true
      files.opened++
      files.openNow++
      return {
        write: () => Promise.reject(new Error('read only')),
        sync: () => Promise.reject(new Error('read only')),
        read: async () => {
          await setImmediate()
          if (!isOpen) throw new Error(`read of ${name} after its close`)
          return name.length
        },
        close: async () => {
          if (!isOpen) throw new Error(`second close of ${name}`)
          isOpen = false
          files.openNow--
          await setImmediate()
        },
      }
    },
  }
  return files
}

async function readTwice(file: PackFile): Promise<number> {
  return (await file.read(Buffer.alloc(1), 0)) + (await file.read(Buffer.alloc(1), 0))
}

type Step = { do: 'use' | 'drop'; name: string } | { do: 'turn' }

const fileName = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('use' as const), name: fileName }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('drop' as const),
      name: fileName,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
)

// Any mix of concurrent uses and drops: no use may see its file closed, and nothing may stay open.
test('a use always has an open file, files are closed once, and none stays open', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const files = createFiles()
      const handles = createReadHandles(files.open, 3)
      const pending: Promise<unknown>[] = []
      for (const next of steps) {
        if (next.do === 'turn') await setImmediate()
        else if (next.do === 'drop') pending.push(handles.drop(next.name))
        else pending.push(expectUse(handles, next.name))
      }
      await Promise.all(pending)
      await setImmediate()
      expect(files.openNow).toBeLessThanOrEqual(3)
      await handles.close()
      expect(files.openNow).toBe(0)
    }),
  )
})

async function expectUse(handles: ReadHandles, name: string): Promise<void> {
  expect(await handles.use(name, readTwice)).toBe(2 * name.length)
}

test('concurrent uses of a file open it once', async () => {
  const files = createFiles()
  const handles = createReadHandles(files.open, 3)
  await Promise.all(Array.from({ length: 10 }, () => handles.use('a', readTwice)))
  await handles.use('a', readTwice)
  expect(files.opened).toBe(1)
  await handles.close()
})

test('a file in use is kept, though more files than are kept are in use', async () => {
  const files = createFiles()
  const handles = createReadHandles(files.open, 1)
  await Promise.all(['a', 'b', 'a'].map((name) => handles.use(name, readTwice)))
  expect(files.opened).toBe(2)
  await handles.close()
})

test('the least recently used file is closed first', async () => {
  const files = createFiles()
  const handles = createReadHandles(files.open, 3)
  for (const name of ['a', 'b', 'c', 'a', 'd', 'a', 'c', 'd']) await handles.use(name, readTwice)
  expect(files.opened).toBe(4)
  await handles.use('b', readTwice)
  expect(files.opened).toBe(5)
  await handles.close()
})

test('an idle file is closed after a while, however often others are used', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const files = createFiles()
  const handles = createReadHandles(files.open, 3)
  let finish = (): void => {}
  const long = handles.use('long', async (file) => {
    await new Promise<void>((resolve) => {
      finish = resolve
    })
    return await readTwice(file)
  })
  await handles.use('once', readTwice)
  for (let turn = 0; turn < 4; turn++) {
    await handles.use('often', readTwice)
    vi.advanceTimersByTime(limits.packHandleIdleMs / 2)
  }
  await setImmediate()
  expect([files.opened, files.openNow]).toEqual([3, 2])
  finish()
  expect(await long).toBe(8)
  vi.advanceTimersByTime(2 * limits.packHandleIdleMs)
  await setImmediate()
  expect(files.openNow).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
  await handles.use('once', readTwice)
  await handles.close()
  expect([files.opened, files.openNow]).toEqual([4, 0])
  expect(vi.getTimerCount()).toBe(0)
})

test('a file is opened again after it failed to open or to read', async () => {
  const files = createFiles()
  const handles = createReadHandles(files.open, 3)
  await expect(handles.use('missing', readTwice)).rejects.toThrow('no such file')
  await expect(handles.use('missing', readTwice)).rejects.toThrow('no such file')
  const failing = handles.use('a', () => Promise.reject(new Error('bad medium')))
  await expect(failing).rejects.toThrow('bad medium')
  await handles.use('a', readTwice)
  expect(files.opened).toBe(2)
  await handles.close()
  expect(files.openNow).toBe(0)
})

test('close waits for uses in flight and rejects new ones', async () => {
  const files = createFiles()
  const handles = createReadHandles(files.open, 3)
  const uses = Promise.all([handles.use('a', readTwice), handles.use('b', readTwice)])
  await setImmediate()
  expect(files.openNow).toBe(2)
  const closing = handles.close()
  await expect(handles.use('a', readTwice)).rejects.toMatchObject({ code: 'shutting_down' })
  await closing
  expect(files.openNow).toBe(0)
  expect(await uses).toEqual([2, 2])
  await handles.close()
})
