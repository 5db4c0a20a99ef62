/** What every metadata does with the records of runs. */
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { limits } from '../../../src/core/limits.ts'
import type { LogLine, RecordedEvent } from '../../../src/core/run/run-record.ts'
import { parseProjectName, noFacts } from '../../../src/core/run/run.ts'
import type { Metadata } from '../../../src/metadata/metadata.ts'
import { testDirectory } from '../../temporary-directory.ts'

const day = 86_400_000
const job = { key: 'build', id: 'build', name: 'build (1)' }
const named = { type: 'job-named', at: 1, job } satisfies RecordedEvent

function line(text: string, key = 'build'): RecordedEvent {
  return { type: 'line', at: 5, job: key, step: 1, kind: 'output', text }
}

/** `open` opens the database at a path. */
export function runRecordsContract(open: (path: string) => Promise<Metadata>): void {
  let metadata: Metadata
  let runId: number
  let projectId: number
  const append = (sequence: number, events: RecordedEvent[], recording = 'a', now = 10) =>
    metadata.appendRunEvents(runId, { recording, sequence, events }, now)
  const logOf = async (key = 'build'): Promise<LogLine[]> => {
    const found = (await metadata.findRunRecord(runId, 0))?.jobs.find((each) => each.key === key)
    const pages = await Promise.all(
      Array.from({ length: found?.logPages ?? 0 }, (_, page) =>
        metadata.readLogPage(found?.id ?? 0, page),
      ),
    )
    return pages.flatMap((page) => page ?? [])
  }

  beforeEach(async () => {
    const directory = testDirectory()
    metadata = await open(join(directory, 'trove.db'))
    onTestFinished(() => metadata.close())
    const project = parseProjectName('octo/app')
    const run = await metadata.ensureRun({ project, number: 7, attempt: 1 }, noFacts, 1)
    runId = run.id
    projectId = run.projectId
  })

  test('a run in progress and one that has ended read back as reported', async () => {
    expect(await metadata.findRunRecord(runId, 0)).toBeUndefined()
    expect(await metadata.listRunProgress([runId], 0)).toEqual([])
    const step = { number: 1, name: 'Compile' }
    await append(0, [
      { type: 'run-started', at: 1 },
      named,
      { type: 'job-started', at: 2, job: 'build' },
      { type: 'step-started', at: 3, job: 'build', step },
      line('hello'),
    ])
    const running = { conclusion: null, durationMs: null }
    expect(await metadata.findRunRecord(runId, 0)).toMatchObject({
      ...running,
      startedAt: 1,
      updatedAt: 10,
      jobs: [{ ...running, startedAt: 2, steps: [{ ...step, ...running, startedAt: 3 }] }],
    })
    expect(await metadata.listRunProgress([runId, runId + 1], 0)).toEqual([
      { runId, ...running, startedAt: 1, updatedAt: 10 },
    ])
    const failed = { conclusion: 'failure', durationMs: 4 } as const
    const skipped = { conclusion: 'skipped', durationMs: 0 } as const
    await append(5, [
      { type: 'step-finished', at: 7, job: 'build', step, ...failed },
      { type: 'step-finished', at: 7, job: 'build', step: { number: 2, name: 'Test' }, ...skipped },
      { type: 'job-finished', at: 8, job: 'build', ...failed },
      { type: 'run-finished', at: 9, ...failed },
    ])
    expect(await metadata.findRunRecord(runId, 0)).toMatchObject({
      ...failed,
      jobs: [
        {
          key: 'build',
          name: 'build (1)',
          ...failed,
          logLines: 1,
          steps: [
            { number: 1, ...failed, startedAt: 3 },
            { number: 2, name: 'Test', ...skipped, startedAt: null },
          ],
        },
      ],
    })
    expect(await logOf()).toEqual([{ step: 1, at: 5, kind: 'output', text: 'hello' }])
  })

  test('a batch sent again, fully or in part, is stored once; a gap is refused', async () => {
    const batch = [named, line('one'), line('two')]
    expect(await append(0, batch)).toBe(3)
    expect(await append(0, batch)).toBe(3)
    expect(await append(1, [line('one'), line('two'), line('three')])).toBe(4)
    expect((await logOf()).map(({ text }) => text)).toEqual(['one', 'two', 'three'])
    await expect(append(5, [line('five')])).rejects.toMatchObject({ code: 'session_ended' })
  })

  test('another recording replaces the first, which is refused from then on', async () => {
    await append(0, [named, line('first')])
    await expect(append(2, [line('x')], 'b')).rejects.toMatchObject({ code: 'session_ended' })
    expect(await append(0, [named, line('second')], 'b')).toBe(2)
    expect((await logOf()).map(({ text }) => text)).toEqual(['second'])
    await expect(append(2, [line('late')])).rejects.toMatchObject({ code: 'session_ended' })
  })

  test('a batch with a line of a job that was not announced is refused as a whole', async () => {
    await expect(append(0, [named, line('x', 'other')])).rejects.toMatchObject({
      code: 'invalid_request',
    })
    expect(await metadata.findRunRecord(runId, 0)).toBeUndefined()
  })

  test('lines are returned in order, in pages of bounded size', async () => {
    const texts = Array.from({ length: 2000 }, (_, index) => `${index} ${'é\u001b[0m"'.repeat(20)}`)
    await append(0, [named, ...texts.slice(0, 900).map((text) => line(text))])
    await append(
      901,
      texts.slice(900).map((text) => line(text)),
    )
    expect((await logOf()).map(({ text }) => text)).toEqual(texts)
    const pages = (await metadata.findRunRecord(runId, 0))?.jobs[0]?.logPages ?? 0
    expect(pages).toBeGreaterThan(4)
    const first = await metadata.readLogPage(1, 0)
    expect(JSON.stringify(first).length).toBeLessThan(3 * limits.logPageBytes)
    expect(await metadata.readLogPage(1, pages)).toBeUndefined()
  })

  test('a log that outgrows its limit ends with a line that says so, and does not change any more', async () => {
    const long = 'x'.repeat(limits.logLineCharactersMax)
    let sequence = await append(0, [named, { ...named, job: { ...job, key: 'other' } }])
    while (sequence < 300) {
      sequence = await append(
        sequence,
        Array.from({ length: 50 }, () => line(long)),
      )
    }
    const last = (await logOf()).at(-1)
    expect(last).toMatchObject({ kind: 'cut', text: expect.stringContaining('16.0 MiB') })
    const record = await metadata.findRunRecord(runId, 0)
    expect(record?.jobs[0]).toMatchObject({ isLogCut: true })
    expect(record?.jobs[0]?.logBytes).toBeLessThan(limits.jobLogBytesMax + 200)
    await append(sequence, [line('more'), line('of another job', 'other')])
    expect((await logOf()).at(-1)).toEqual(last)
    expect((await logOf('other')).map(({ text }) => text)).toEqual(['of another job'])
  })

  test('the number of jobs and steps of a run is bounded', async () => {
    await append(0, [named])
    let sequence = 1
    const steps = (): RecordedEvent[] =>
      Array.from({ length: limits.runEventsMax }, (_, index) => ({
        type: 'step-started',
        at: 1,
        job: 'build',
        step: { number: sequence + index, name: 's' },
      }))
    while (sequence + limits.runEventsMax <= limits.runRowsMax) {
      sequence = await append(sequence, steps())
    }
    await expect(append(sequence, steps())).rejects.toMatchObject({ code: 'too_large' })
    await metadata.removeRunRecords(projectId, 7)
    expect(await metadata.findRunRecord(runId, 0)).toBeUndefined()
  })

  test('the characters of all names of a run are bounded', async () => {
    const longest = '漢'.repeat(limits.recordedNameCharactersMax)
    const fitting = limits.runRowsMax / (1 + longest.length / limits.namesCharactersPerRow)
    const steps = Array.from({ length: fitting }, (_, index): RecordedEvent => {
      return { type: 'step-started', at: 1, job: 'build', step: { number: index, name: longest } }
    })
    let sequence = await append(0, [named])
    const half = steps.splice(0, limits.runEventsMax)
    sequence = await append(sequence, half)
    await expect(append(sequence, steps)).rejects.toMatchObject({
      code: 'too_large',
      message: 'a run has at most 10000 jobs and steps; one with long names counts as several',
    })
  })

  test('a job is deleted with its steps and log, and no longer counts towards the limits', async () => {
    const other = { ...job, key: 'other' }
    await append(0, [
      named,
      { type: 'job-named', at: 1, job: other },
      { type: 'step-started', at: 1, job: 'build', step: { number: 1, name: 's' } },
      line('mine'),
      line('theirs', 'other'),
    ])
    expect(await metadata.removeRunJob(runId, 'nobody')).toBe(false)
    expect(await metadata.removeRunJob(runId, 'build')).toBe(true)
    expect(await metadata.removeRunJob(runId, 'build')).toBe(false)
    const record = await metadata.findRunRecord(runId, 0)
    expect(record?.jobs).toMatchObject([{ key: 'other', steps: [], logLines: 1 }])
    expect((await logOf('other')).map(({ text }) => text)).toEqual(['theirs'])
    expect(await metadata.readLogPage(1, 0)).toBeUndefined()
    // The bound on rows covers what is left.
    const steps = (count: number): RecordedEvent[] =>
      Array.from({ length: count }, (_, index) => ({
        type: 'step-started',
        at: 1,
        job: 'other',
        step: { number: index + 1, name: 's' },
      }))
    expect(await append(5, steps(limits.runEventsMax))).toBe(5 + limits.runEventsMax)
    expect(await metadata.removeRunJob(runId, 'other')).toBe(true)
    expect((await metadata.findRunRecord(runId, 0))?.jobs).toEqual([])
  })

  test('a job with long names is deleted with all that it counted as', async () => {
    const name = '漢'.repeat(limits.recordedNameCharactersMax)
    const counted = 1 + name.length / limits.namesCharactersPerRow
    const fill = async (sequence: number): Promise<number> => {
      const steps = Array.from({ length: limits.runRowsMax / counted - 1 }, (_, index) => {
        return { type: 'step-started', at: 1, job: 'build', step: { number: index, name } } as const
      })
      const jobNamed = { type: 'job-named', at: 1, job: { ...job, name } } as const
      const next = await append(sequence, [jobNamed, ...steps.splice(0, limits.runEventsMax)])
      return await append(next, steps)
    }
    const next = await fill(0)
    await metadata.removeRunJob(runId, 'build')
    expect(await fill(next)).toBe(2 * next)
  })

  test('a record is deleted on request, or after a long silence', async () => {
    await append(0, [named, line('x')])
    await metadata.removeRunRecords(projectId, 7)
    expect(await metadata.findRunRecord(runId, 0)).toBeUndefined()
    expect(await metadata.readLogPage(1, 0)).toBeUndefined()
    await append(0, [named, line('x')], 'b', day)
    expect(await metadata.purgeRunRecords(day - 1, 10)).toBe(0)
    expect(await metadata.purgeRunRecords(day, 10)).toBe(1)
    expect(await metadata.findRunRecord(runId, 0)).toBeUndefined()
    expect(await append(0, [named], 'c')).toBe(1)
  })
}
