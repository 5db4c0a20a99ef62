/** The wire contract of run records: what runners report, and what the store returns. */
import * as z from 'zod'
import { annotationLevels, conclusions, logKinds } from '../core/run/run-record.ts'
import { limits } from '../core/limits.ts'
import { formatSizeBytes } from '../core/units.ts'
import { instant, runFacts } from './fields.ts'

const milliseconds = z.int().min(0)
const number = z.int().min(0).max(1_000_000)
const name = z.string().max(limits.recordedNameCharactersMax)
const key = z
  .string()
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}$/)
  .meta({ description: 'Key of a job, unique in the run.' })
const conclusion = z.enum(conclusions)

/** Later instants could be stored, but not shown or listed, since years have four digits. */
const lastInstant = Date.parse('9999-12-31T23:59:59.999Z')
const at = milliseconds.max(lastInstant).meta({ description: 'Milliseconds since the epoch.' })
const step = z.strictObject({ number: number.min(1), name })
const stepNumber = number.meta({ description: 'Number of the step; 0 for the job itself.' })
const annotationLevel = z.enum(annotationLevels)
const message = z.string().max(limits.annotationCharactersMax)
const file = z.string().max(limits.pathBytesMax)
/** Of lines and columns. */
const position = z.int().min(1)
const ended = { conclusion, durationMs: milliseconds }

const runEventSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('run-started'), at }),
    z.strictObject({
      type: z.literal('job-named'),
      at,
      job: z.strictObject({ key, id: name, name }),
    }),
    z.strictObject({ type: z.literal('job-started'), at, job: key }),
    z.strictObject({ type: z.literal('step-started'), at, job: key, step }),
    z.strictObject({
      type: z.literal('line'),
      at,
      job: key,
      step: stepNumber,
      kind: z.enum(logKinds),
      text: z.string().max(limits.logLineCharactersMax),
    }),
    z
      .strictObject({
        type: z.literal('annotation'),
        at,
        job: key,
        step: stepNumber,
        level: annotationLevel,
        message,
        title: name.optional(),
        file: file.optional(),
        line: position.optional(),
        endLine: position.optional(),
        column: position.optional(),
        endColumn: position.optional(),
      })
      .meta({
        description: `A message that is listed beside the log: at most ${limits.annotationsPerStepMax} of a level per step, ${limits.annotationsPerJobMax} per job and ${limits.annotationsPerRunMax} per run, with a million characters in total; more are ignored.`,
      }),
    z
      .strictObject({
        type: z.literal('summary'),
        at,
        job: key,
        step: number.min(1),
        text: z.string().max(limits.logLineCharactersMax),
      })
      .meta({
        description: `Markdown that is appended to the summary of a step: at most ${formatSizeBytes(limits.stepSummaryBytesMax)} per step, of ${limits.summariesPerJobMax} steps per job.`,
      }),
    z.strictObject({ type: z.literal('step-finished'), at, job: key, step, ...ended }),
    z.strictObject({ type: z.literal('job-finished'), at, job: key, ...ended }),
    z.strictObject({ type: z.literal('run-finished'), at, ...ended }),
  ])
  .meta({ id: 'RunEvent' })

export const runEventsSchema = z
  .strictObject({
    recording: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .meta({
        description: 'A random id. A recording that begins at sequence 0 replaces an earlier one.',
      }),
    sequence: z
      .int()
      .min(0)
      .meta({ description: 'Number of the first event of the batch, from 0.' }),
    events: z.array(runEventSchema).min(1).max(limits.runEventsMax),
  })
  .meta({ id: 'RunEvents' })

export const runEventsAnswerSchema = z
  .object({ nextSequence: z.int().meta({ description: 'All events before this one are stored.' }) })
  .meta({ id: 'RunEventsAnswer' })

const progress = {
  state: z.enum(['waiting', 'running', 'completed']),
  conclusion: z
    .enum([...conclusion.options, 'stale'])
    .nullable()
    .meta({
      description: '`stale`: it did not end, and nothing was reported of the run for an hour.',
    }),
  startedAt: instant.nullable(),
  durationMs: milliseconds.nullable(),
}

const recordedJobSchema = z
  .object({
    key,
    id: z.string().meta({ description: 'The id of the job in the workflow file.' }),
    name: z.string(),
    ...progress,
    logLines: z.int(),
    logCut: z.boolean().meta({ description: 'True when the log was cut off at its size limit.' }),
    logUrl: z.string(),
    summaryUrl: z
      .string()
      .nullable()
      .meta({ description: 'The summaries of its steps; null if there are none.' }),
    annotations: z.array(
      z.object({
        step: stepNumber,
        level: annotationLevel,
        message: z.string(),
        title: z.string().nullable(),
        file: z.string().nullable(),
        line: position.nullable(),
        endLine: position.nullable(),
        column: position.nullable(),
        endColumn: position.nullable(),
      }),
    ),
    steps: z.array(z.object({ number, name: z.string(), ...progress })),
  })
  .meta({ id: 'RecordedJob' })

export const runDetailSchema = z
  .object({
    number: z.int(),
    project: z.string(),
    attempt: z.int(),
    ...runFacts,
    createdAt: instant,
    record: z
      .object({ ...progress, updatedAt: instant, jobs: z.array(recordedJobSchema) })
      .nullable()
      .meta({ description: 'Null for a run without a record.' }),
    links: z.object({ html: z.string(), archive: z.string() }),
  })
  .meta({ id: 'RunDetail' })

export type WireRunEventsAnswer = z.infer<typeof runEventsAnswerSchema>
export type WireRunDetail = z.infer<typeof runDetailSchema>
