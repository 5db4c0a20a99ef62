/** The thread that renders previews: its queue, and its end. */
import { afterEach, expect, test } from 'vitest'
import type { SummaryTask } from '../../src/web/run/summary-markup.tsx'
import { createRenderer, type Renderer } from '../../src/web/renderer.ts'
import type { PreviewTask } from '../../src/web/rendering.tsx'
import { textTask } from './text-task.ts'
import { unclosedMarks } from './unclosed-marks.ts'

let renderer: Renderer | undefined
afterEach(async () => {
  await renderer?.close()
})

const { signal } = new AbortController()

test('a task that takes too much memory fails, and the next one gets a new thread', async () => {
  renderer = createRenderer()
  const jobs = Array.from({ length: 2400 }, () => ['a '.repeat(50_000)])
  const task: SummaryTask = { kind: 'summaries', jobs, level: 3, bytesMax: 1000 }
  await expect(renderer.render(async () => task, signal)).rejects.toMatchObject({
    code: 'too_large',
    message: 'showing this takes more than 192 MiB of memory',
  })
  const { markup } = await renderer.render(async () => textTask('next'), signal)
  expect(markup).toContain('next')
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
  expect((await renderer.render(async () => task, signal)).markup).toContain('<')
})

test.each(unclosedMarks)('a document that repeats %j is shown', async (mark) => {
  renderer = createRenderer()
  const task = {
    ...textTask(mark.repeat((1024 * 1024) / mark.length)),
    kind: 'markdown',
  } as PreviewTask
  expect((await renderer.render(async () => task, signal)).markup).toContain('<')
})
