/** Annotations and summaries of recorded runs. */
import SqliteDatabase from 'better-sqlite3'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import type { AnnotationLevel, RecordedEvent } from '../../src/core/run/run-record.ts'
import { noFacts, parseProjectName } from '../../src/core/run/run.ts'
import type { Metadata, SummaryPage } from '../../src/metadata/metadata.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { testDirectory } from '../temporary-directory.ts'

let path: string
let metadata: Metadata
let runId: number
let projectId: number

beforeEach(async () => {
  const directory = testDirectory()
  path = join(directory, 'trove.db')
  metadata = openSqliteMetadata({ path })
  onTestFinished(() => metadata.close())
  const project = parseProjectName('octo/app')
  const run = await metadata.ensureRun({ project, number: 7, attempt: 1 }, noFacts, 1)
  runId = run.id
  projectId = run.projectId
})

async function append(sequence: number, events: RecordedEvent[], recording = 'a'): Promise<number> {
  return await metadata.appendRunEvents(runId, { recording, sequence, events }, 10)
}

function named(key = 'build'): RecordedEvent {
  return { type: 'job-named', at: 1, job: { key, id: key, name: key } }
}

function annotation(
  message: string,
  { job = 'build', step = 1, level = 'error' as AnnotationLevel } = {},
): RecordedEvent {
  return { type: 'annotation', at: 2, job, step, level, message }
}

function summary(text: string, step = 1, job = 'build'): RecordedEvent {
  return { type: 'summary', at: 2, job, step, text }
}

async function messages(): Promise<string[]> {
  return (await metadata.listAnnotations(runId)).map(({ message }) => message)
}

async function pagesOf(key = 'build'): Promise<SummaryPage[]> {
  const job = (await metadata.findRunRecord(runId, 0))?.jobs.find((each) => each.key === key)
  const pages: SummaryPage[] = []
  for (let page = 0; ; page++) {
    const found = await metadata.readSummaryPage(job?.id ?? 0, page)
    if (found === undefined) return pages
    pages.push(found)
  }
}

async function summaryOf(step: number): Promise<string> {
  return (await pagesOf())
    .filter((page) => page.step === step)
    .map(({ text }) => text)
    .join('')
}

function rowsLeft(): number[] {
  const database = new SqliteDatabase(path, { readonly: true })
  onTestFinished(() => void database.close())
  return ['annotations', 'summary_pages', 'run_steps'].map(
    (table) => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number,
  )
}

function loggedBytes(): number {
  const database = new SqliteDatabase(path, { readonly: true })
  onTestFinished(() => void database.close())
  return database.prepare('SELECT log_bytes FROM run_records').pluck().get() as number
}

test('annotations read back with their places, and once although the batch was sent twice', async () => {
  const place = { title: 'T', file: 'a.c', line: 3, endLine: 4, column: 5, endColumn: 6 }
  const batch: RecordedEvent[] = [
    named(),
    named('lint'),
    annotation('of lint', { job: 'lint', step: 0, level: 'notice' }),
    { ...annotation('of build'), ...place } as RecordedEvent,
  ]
  expect(await append(0, batch)).toBe(4)
  expect(await append(0, batch)).toBe(4)
  const nowhere = { title: null, file: null, line: null, endLine: null }
  expect(await metadata.listAnnotations(runId)).toEqual([
    { jobId: 1, step: 1, level: 'error', message: 'of build', ...place },
    {
      jobId: 2,
      step: 0,
      level: 'notice',
      message: 'of lint',
      ...nowhere,
      column: null,
      endColumn: null,
    },
  ])
  await expect(append(4, [annotation('x', { job: 'other' })])).rejects.toMatchObject({
    code: 'invalid_request',
  })
})

test('annotations beyond the numbers of a level of a step, of a job and of a run are ignored', async () => {
  const many = (count: number, of: Parameters<typeof annotation>[1]): RecordedEvent[] =>
    Array.from({ length: count }, (_, index) => annotation(`${of?.level} ${index}`, of))
  const ofStep = [...many(12, { level: 'error' }), ...many(12, { level: 'warning' })]
  let sequence = await append(0, [named(), ...ofStep])
  expect(await messages()).toEqual([
    ...Array.from({ length: 10 }, (_, index) => `error ${index}`),
    ...Array.from({ length: 10 }, (_, index) => `warning ${index}`),
  ])
  const steps = [2, 3, 4, 5].flatMap((step) => many(10, { step, level: 'error' }))
  sequence = await append(sequence, steps)
  expect(await messages()).toHaveLength(limits.annotationsPerJobMax)
  for (let job = 0; job < 22; job++) {
    const key = `job-${job}`
    const ofJob = [1, 2, 3, 4, 5].flatMap((step) => many(10, { job: key, step }))
    sequence = await append(sequence, [named(key), ...ofJob])
  }
  expect(await messages()).toHaveLength(limits.annotationsPerRunMax)
})

test('annotations beyond the characters of a run are ignored', async () => {
  const longest = '漢'.repeat(limits.annotationCharactersMax)
  const fitting = limits.annotationsCharactersPerRunMax / longest.length
  let sequence = 0
  for (let job = 0; 40 * job <= fitting; job++) {
    const key = `job-${job}`
    const ofJob = Array.from({ length: 40 }, (_, index) =>
      annotation(longest, { job: key, step: 1 + (index % 4) }),
    )
    sequence = await append(sequence, [named(key), ...ofJob])
  }
  expect(await messages()).toHaveLength(fitting)
})

test('the summary of a step is what its events say, in order, once although a batch was sent twice', async () => {
  const long = `${'ö'.repeat(limits.logLineCharactersMax - 1)}\n`
  const batch = [named(), summary('# One\n'), summary('two\n', 2), summary(long), summary('end\n')]
  expect(await append(0, batch)).toBe(5)
  expect(await append(0, batch)).toBe(5)
  expect(await append(5, [summary('later\n')])).toBe(6)
  expect(await summaryOf(1)).toBe(`# One\n${long}end\nlater\n`)
  expect(await summaryOf(2)).toBe('two\n')
  const pages = await pagesOf()
  expect(pages.map(({ step }) => step)).toEqual([1, 1, 2])
  const bytes = Buffer.byteLength(pages.map(({ text }) => text).join(''))
  const record = await metadata.findRunRecord(runId, 0)
  expect(record?.jobs).toMatchObject([{ summaryBytes: bytes, logLines: 0 }])
  expect(loggedBytes()).toBe(bytes)
})

test('a summary that outgrows its limit ends with a sentence that says so, and does not change any more', async () => {
  const piece = summary('x'.repeat(limits.logLineCharactersMax))
  let sequence = await append(0, [named()])
  for (let count = 0; count < 20; count += 5)
    sequence = await append(sequence, [piece, piece, piece, piece, piece])
  const text = await summaryOf(1)
  expect(text).toMatch(
    /^x{1048576}\n\nThe summary was cut here: 1\.0 MiB of one step are kept\.\n$/,
  )
  await append(sequence, [summary('more'), summary('of another step', 2)])
  expect(await summaryOf(1)).toBe(text)
  expect(await summaryOf(2)).toBe('of another step')
})

test('summaries of more steps than a job may have are ignored', async () => {
  const steps = Array.from({ length: 25 }, (_, index) => summary(`${index}`, index + 1))
  await append(0, [named(), ...steps, summary('+', 20), summary('+', 21)])
  const pages = await pagesOf()
  expect(pages.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
  expect(pages.at(-1)?.text).toBe('19+')
})

test('both are deleted with their job, which no longer counts towards the bytes of the run', async () => {
  const step = { number: 1, name: 's' }
  const line = { type: 'line', at: 1, job: 'build', step: 1, kind: 'output', text: 'x' } as const
  await append(0, [
    named(),
    named('lint'),
    { type: 'step-started', at: 1, job: 'build', step },
    line,
    annotation('mine'),
    annotation('theirs', { job: 'lint' }),
    summary('mine'),
    summary('theirs', 1, 'lint'),
  ])
  expect(await metadata.removeRunJob(runId, 'build')).toBe(true)
  expect(await messages()).toEqual(['theirs'])
  expect(await pagesOf('lint')).toEqual([{ step: 1, text: 'theirs' }])
  expect(rowsLeft()).toEqual([1, 1, 0])
  expect(loggedBytes()).toBe('theirs'.length)
})

test.each([
  ['another recording', async () => void (await append(0, [named()], 'b'))],
  ['the deletion of the run', async () => await metadata.removeRunRecords(projectId, 7)],
  ['a long silence', async () => void (await metadata.purgeRunRecords(10, 10))],
])('both are deleted by %s', async (_name, remove) => {
  const many = Array.from({ length: 6 }, (_, index) => summary('x', index + 1))
  const messagesOf = Array.from({ length: 9 }, () => annotation('x'))
  await append(0, [named(), ...messagesOf, ...many])
  expect(rowsLeft()).toEqual([9, 6, 0])
  await remove()
  expect(rowsLeft()).toEqual([0, 0, 0])
})
