/** The wire contract of what a runner tells of a run, and of what the store tells about it. */
import { z } from 'zod'
import { limits } from '../core/limits.ts'
import { instant } from './fields.ts'

const milliseconds = z.int().min(0)
const number = z.int().min(0).max(1_000_000)
const name = z.string().max(limits.recordedNameCharactersMax)
const key = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,255}$/)
  .meta({ description: 'Of a job, unique in the run.' })
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

/** A later one could be kept, but neither shown nor listed: years have four digits. */
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
        description: 'Random; one that begins at sequence 0 takes the place of another one.',
      }),
    sequence: z.int().min(0).meta({ description: 'Number of the first event, counted from 0.' }),
    events: z.array(runEventSchema).min(1).max(limits.runEventsMax),
  })
  .meta({ id: 'RunEvents' })

export const runEventsAnswerSchema = z
  .object({ nextSequence: z.int().meta({ description: 'Events before this one are kept.' }) })
  .meta({ id: 'RunEventsAnswer' })

const progress = {
  state: z.enum(['waiting', 'running', 'completed']),
  conclusion: z
    .enum([...conclusion.options, 'stale'])
    .nullable()
    .meta({
      description: '`stale`: nothing was heard of the run for an hour, nor how this ended.',
    }),
  startedAt: instant.nullable(),
  durationMs: milliseconds.nullable(),
}

const recordedJobSchema = z
  .object({
    key,
    id: z.string().meta({ description: 'As the workflow file calls it.' }),
    name: z.string(),
    ...progress,
    logLines: z.int(),
    logCut: z.boolean().meta({ description: 'The log grew past its bound and ends early.' }),
    logUrl: z.string(),
    steps: z.array(z.object({ number, name: z.string(), ...progress })),
  })
  .meta({ id: 'RecordedJob' })

export const runDetailSchema = z
  .object({
    number: z.int(),
    project: z.string(),
    attempt: z.int(),
    branch: z.string().nullable(),
    sha: z.string().nullable(),
    workflow: z.string().nullable(),
    event: z.string().nullable(),
    createdAt: instant,
    record: z
      .object({ ...progress, updatedAt: instant, jobs: z.array(recordedJobSchema) })
      .nullable()
      .meta({ description: 'Null for a run that nobody recorded.' }),
    links: z.object({ html: z.string(), archive: z.string() }),
  })
  .meta({ id: 'RunDetail' })

export type WireRunEventsAnswer = z.infer<typeof runEventsAnswerSchema>
export type WireRunDetail = z.infer<typeof runDetailSchema>
