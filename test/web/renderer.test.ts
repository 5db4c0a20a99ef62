/** The thread that puts previews together: its turns, and its end. */
import { afterEach, expect, test } from 'vitest'
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

test('each is answered with its own', async () => {
  renderer = createRenderer()
  await Promise.all(
    ['one', 'two', 'three'].map(async (text) => {
      const markup = await renderer?.render(async () => textTask(text), signal)
      expect(markup).toContain(`<span>${text}</span>`)
    }),
  )
})

test('what cannot be read, and whoever has gone, costs nobody a turn', async () => {
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

test('a thread that ends fails its task, and the next has another', async () => {
  renderer = createRenderer()
  // Sooner than it can begin.
  const ended = renderer.render(async () => {
    setImmediate(() => void renderer?.close())
    return textTask('lost')
  }, signal)
  await expect(ended).rejects.toThrow('the render thread is closed')
  expect(await renderer.render(async () => textTask('found'), signal)).toContain('found')
})

test('those that wait have read nothing, and more than may wait are refused', async () => {
  renderer = createRenderer()
  let reads = 0
  let goOn = (): void => {}
  const held = renderer.render(async () => {
    await new Promise<void>((resolve) => {
      goOn = resolve
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
  goOn()
  expect(await held).toContain('held')
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
})
