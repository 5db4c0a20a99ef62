/** The thread that renders previews: its queue, and its end. */
import { afterEach, expect, test } from 'vitest'
import type { SummaryTask } from '../../src/web/run/summary-markup.tsx'
import { createRenderer, type Renderer } from '../../src/web/renderer.ts'
import type { PreviewTask } from '../../src/web/rendering.tsx'

let renderer: Renderer | undefined
afterEach(async () => {
  await renderer?.close()
})

const { signal } = new AbortController()

function textTask(text: string): PreviewTask {
  const bytes = Buffer.from(text)
  return {
    kind: 'text',
    shown: {
      artifact: { project: 'octo/app', runNumber: 1, id: 1 },
      file: { path: 'a.txt', sizeBytes: bytes.length },
      wantedBytes: 0,
    },
    bytes,
  }
}

test('each request gets its own result', async () => {
  renderer = createRenderer()
  await Promise.all(
    ['one', 'two', 'three'].map(async (text) => {
      const markup = await renderer?.render(async () => textTask(text), signal)
      expect(markup).toContain(`<span>${text}</span>`)
    }),
  )
})

test('a task that fails to read its input, or whose client has gone, does not hold up the next one', async () => {
  renderer = createRenderer()
  const unreadable = renderer.render(async () => {
    throw new Error('on purpose')
  }, signal)
  const gone = renderer.render(async () => textTask('never read'), AbortSignal.abort('gone'))
  const next = renderer.render(async () => textTask('next'), signal)
  await expect(unreadable).rejects.toThrow('on purpose')
  await expect(gone).rejects.toBe('gone')
  expect(await next).toContain('next')
})

test('a thread that ends fails its task, and the next task gets a new thread', async () => {
  renderer = createRenderer()
  // The thread ends before it can start the task.
  const ended = renderer.render(async () => {
    setImmediate(() => void renderer?.close())
    return textTask('lost')
  }, signal)
  await expect(ended).rejects.toThrow('the render thread is closed')
  expect(await renderer.render(async () => textTask('found'), signal)).toContain('found')
})

test('a task that takes too much memory fails, and the next one gets a new thread', async () => {
  renderer = createRenderer()
  const jobs = Array.from({ length: 2400 }, () => ['a '.repeat(50_000)])
  const task: SummaryTask = { kind: 'summaries', jobs, level: 3, bytesMax: 1000 }
  await expect(renderer.render(async () => task, signal)).rejects.toMatchObject({
    code: 'too_large',
    message: 'showing this takes more than 192 MiB of memory',
  })
  expect(await renderer.render(async () => textTask('next'), signal)).toContain('next')
})

/** The largest files that are parsed. Without bounds of their own, these would need more than the
 *  heap of the thread. */
test.each([
  ['markdown', '<p>a', 1],
  ['lcov', 'SF:$\nDA:1,1\nBRDA:1,1\n', 4],
  ['lcov', 'SF:$\n', 4],
] as const)('%s that repeats %j is shown', async (kind, unit, mebibytes) => {
  renderer = createRenderer()
  let text = ''
  for (let index = 0; text.length < mebibytes * 1024 * 1024; index++)
    text += unit.replace('$', String(index))
  const task = { ...textTask(text), kind } as PreviewTask
  expect(await renderer.render(async () => task, signal)).toContain('<')
})

test('waiting tasks have not read their input, and a full queue rejects more', async () => {
  renderer = createRenderer()
  let reads = 0
  let release = (): void => {}
  const held = renderer.render(async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return textTask('held')
  }, signal)
  const stop = new AbortController()
  const others = Array.from({ length: 1001 }, async () => {
    return await renderer?.render(async () => {
      reads++
      return textTask('another')
    }, stop.signal)
  })
  const outcomes = Promise.allSettled(others)
  await expect(others.at(-1)).rejects.toMatchObject({ code: 'busy' })
  expect(reads).toBe(0)
  stop.abort()
  release()
  expect(await held).toContain('held')
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
})
