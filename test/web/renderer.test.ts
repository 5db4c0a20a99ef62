/** The thread that renders previews: its queue, and its end. */
import { afterEach, expect, test } from 'vitest'
import { createRenderer, type Renderer } from '../../src/web/renderer.ts'
import { textTask } from './text-task.ts'

let renderer: Renderer | undefined
afterEach(async () => {
  await renderer?.close()
})

const { signal } = new AbortController()

test('each request gets its own result', async () => {
  renderer = createRenderer()
  await Promise.all(
    ['one', 'two', 'three'].map(async (text) => {
      const rendered = await renderer?.render(async () => textTask(text), signal)
      expect(rendered?.markup).toContain(`<span>${text}</span>`)
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
  expect((await next).markup).toContain('next')
})

test('a thread that ends fails its task, and the next task gets a new thread', async () => {
  renderer = createRenderer()
  // The thread ends before it can start the task.
  const ended = renderer.render(async () => {
    setImmediate(() => void renderer?.close())
    return textTask('lost')
  }, signal)
  await expect(ended).rejects.toThrow('the render thread is closed')
  const { markup } = await renderer.render(async () => textTask('found'), signal)
  expect(markup).toContain('found')
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
  expect((await held).markup).toContain('held')
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
})
