/** The wire contract of run records: what runners report, and what the store returns. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { instant, runFacts } from './fields.ts'

const milliseconds = z.int().min(0)
const number = z.int().min(0).max(1_000_000)
const name = z.string().max(limits.recordedNameCharactersMax)
const key = z
  .string()
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,254}$/)
  .meta({ description: 'Key of a job, unique in the run.' })
const conclusion = z.enum(['success', 'failure', 'cancelled', 'skipped'])
const kind = z.enum([
  'output',
  'command',
  'debug',
  'error',
  'warning',
  'notice',
  'group',
  'endgroup',
  'cut',
])

/** Later instants could be stored, but not shown or listed, since years have four digits. */
const lastInstant = Date.parse('9999-12-31T23:59:59.999Z')
const at = milliseconds.max(lastInstant).meta({ description: 'Milliseconds since the epoch.' })
const step = z.strictObject({ number: number.min(1), name })
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
      step: number.meta({ description: 'Number of the step; 0 for the job itself.' }),
      kind,
      text: z.string().max(limits.logLineCharactersMax),
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
