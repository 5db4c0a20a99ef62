import { expect, test } from 'vitest'
import { createTranslator } from '../../src/cli/run/record-translation.ts'
import { limits } from '../../src/core/limits.ts'
import type { Annotation, RecordedEvent } from '../../src/core/run/run-record.ts'
import type { RunEvent } from '../../src/workflow/events.ts'

const job = { key: 'job', id: 'job', name: 'job' }
const step = { number: 2, id: '__2', name: 'step' }

/** Translates events; returns what follows the announcement of the job. */
function translated(events: RunEvent[], isFull = () => false): RecordedEvent[] {
  const pushed: RecordedEvent[] = []
  const translate = createTranslator((event) => void pushed.push(event), isFull)
  for (const event of events) translate(event)
  return pushed.slice(1)
}

function annotate(annotation: Annotation, of: typeof step | null = step): RunEvent {
  return { type: 'annotation', at: 1, job, step: of, annotation }
}

test('an annotation is recorded with its place; one of a job is also a line of its log', () => {
  const place = { title: 'T', file: 'a.c', line: 3, endColumn: 9 }
  const ofJob: Annotation = { level: 'notice', message: 'of the job' }
  expect(
    translated([annotate({ level: 'error', message: 'no', ...place }), annotate(ofJob, null)]),
  ).toEqual([
    { type: 'annotation', at: 1, job: 'job', step: 2, level: 'error', message: 'no', ...place },
    { type: 'line', at: 1, job: 'job', step: 0, kind: 'notice', text: 'of the job' },
    { type: 'annotation', at: 1, job: 'job', step: 0, ...ofJob },
  ])
})

test('a step that prints many annotations sends only those that are kept, cut to their lengths', () => {
  const long: Annotation = {
    level: 'warning',
    message: 'm'.repeat(2 * limits.annotationCharactersMax),
    title: 't'.repeat(2 * limits.recordedNameCharactersMax),
    file: 'f'.repeat(2 * limits.pathBytesMax),
  }
  const sent = translated(Array.from({ length: 1000 }, () => annotate(long)))
  expect(sent).toHaveLength(limits.annotationsPerStepMax)
  expect(sent[0]).toMatchObject({
    message: 'm'.repeat(limits.annotationCharactersMax),
    title: 't'.repeat(limits.recordedNameCharactersMax),
    file: 'f'.repeat(limits.pathBytesMax),
  })
})

test('long summaries, lines and names are cut to pieces that split no character', () => {
  const text = `x${'😀'.repeat(limits.logLineCharactersMax)}`
  const told = translated([
    { type: 'summary', at: 1, job, step, markdown: text },
    { type: 'line', at: 1, job, step, kind: 'output', text },
    { type: 'step-started', at: 1, job, step: { ...step, name: text } },
    { type: 'line', at: 1, job, step, kind: 'output', text: '' },
  ])
  const textsOf = (type: 'summary' | 'line'): string[] =>
    told.flatMap((event) => (event.type === type ? [event.text] : []))
  for (const [type, end] of [
    ['summary', '\n'],
    ['line', ''],
  ] as const) {
    expect(textsOf(type).slice(0, 3).join('')).toBe(text + end)
    expect(textsOf(type).every((piece) => piece.isWellFormed())).toBe(true)
  }
  expect(textsOf('line')).toHaveLength(4)
  const names = told.flatMap((event) => (event.type === 'step-started' ? [event.step.name] : []))
  expect(names.map((name) => [name.length, name.isWellFormed()])).toEqual([
    [limits.recordedNameCharactersMax - 1, true],
  ])
})

test('while the queue is full, annotations are left out and a summary says that it is missing', () => {
  const events: RunEvent[] = [
    annotate({ level: 'error', message: 'no' }),
    { type: 'summary', at: 1, job, step, markdown: '# Long' },
  ]
  expect(translated(events, () => true)).toMatchObject([
    { type: 'summary', text: 'This summary came too fast and was not kept.\n' },
  ])
})
