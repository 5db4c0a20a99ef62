/** Records runs as runners report them, and returns what is recorded of a run: jobs, steps,
 *  logs. */
import { addTo } from '../../core/groups.ts'
import type { Hono } from 'hono'
import { type WireRunDetail, runEventsSchema } from '../../api/run-record.ts'
import {
  apiRoot,
  jobLogPath,
  jobSummaryPath,
  runArchivePath,
  runPagePath,
} from '../../api/paths.ts'
import { recordQuery, runQuery } from '../../api/queries.ts'
import { formatLogLine } from '../../browse/run-log.ts'
import { notFound, storeError } from '../../core/errors.ts'
import { mapInTurns } from '../../core/turn.ts'
import { factsOf } from '../../core/run/run.ts'
import type {
  Metadata,
  Progress,
  RecordedAnnotation,
  RecordedJob,
  Run,
  RunRecord,
} from '../../metadata/metadata.ts'
import { readableRun } from '../access/access.ts'
import { instant } from '../instant.ts'
import { authorOf } from '../access/actor.ts'
import { requirePrincipal, requireReader } from '../access/authenticate.ts'
import { type AppContext, type AppEnv, type AppRequest, publicOrigin } from '../context.ts'
import { numberParameter, parseInput, parseQuery, projectParameter } from '../input.ts'
import { sendJson } from '../body/gzip.ts'
import { readJsonBody } from '../body/request-body.ts'
import { sendPieces } from '../body/lines.ts'
import { isStrictFor, requireDeleteRun } from '../access/strict.ts'
import { runDestination } from '../upload/upload-destination.ts'

export function addRunRecordRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.put(
    `${apiRoot}/projects/:owner/:repo/runs/:run{[0-9]+}/record`,
    async (c) => await appendEvents(context, c),
  )
  app.get(`${apiRoot}/runs/:run{[0-9]+}`, async (c) => await readRun(context, c))
  app.get(`${apiRoot}/runs/:run{[0-9]+}/jobs/:job/log`, async (c) => {
    return await sendPages(context, c, 'text/plain', logPages)
  })
  app.get(`${apiRoot}/runs/:run{[0-9]+}/jobs/:job/summary`, async (c) => {
    return await sendPages(context, c, 'text/markdown', summaryPages)
  })
  app.delete(`${apiRoot}/runs/:run{[0-9]+}/jobs/:job`, async (c) => await deleteJob(context, c))
}

async function appendEvents(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const { attempt } = parseQuery(c, recordQuery)
  const run = numberParameter(c, 'run')
  const identity = runDestination(principal, { project: projectParameter(c), run, attempt })
  const batch = parseInput(runEventsSchema, await readJsonBody(context, c), 'body')
  const { metadata } = context
  const author = authorOf(context, principal, 'api')
  const { id } = await metadata.ensureRun(identity, principal.facts, author.at)
  const isStrict = await isStrictFor(context, principal)
  const nextSequence = await metadata.appendRunEvents(id, { ...batch, isStrict }, author.at, author)
  return c.json({ nextSequence })
}

async function readRun(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requireReader(context, c)
  const run = await readableRun(context, c, principal, parseQuery(c, runQuery))
  const { metadata } = context
  const record = await metadata.findRunRecord(run.id, context.now())
  const annotations = record === undefined ? [] : await metadata.listAnnotations(run.id)
  return await sendJson(c, await runMessage(run, record, annotations, publicOrigin(context, c)))
}

/** Returns the job of the route's `{job}`. Errors: not_found. */
export async function recordedJob(
  { metadata, now }: AppContext,
  c: AppRequest,
  run: Run,
): Promise<{ record: RunRecord; job: RecordedJob }> {
  const record = await metadata.findRunRecord(run.id, now())
  const key = c.req.param('job') ?? ''
  const job = record?.jobs.find((each) => each.key === key)
  if (record === undefined || job === undefined) throw notFound(`job ${key} of run ${run.number}`)
  return { record, job }
}

/** The job must have ended or stopped reporting, because a recorder still reporting a deleted
 *  job is rejected. */
async function deleteJob(context: AppContext, c: AppRequest): Promise<Response> {
  const principal = await requirePrincipal(context, c)
  const run = await readableRun(context, c, principal, parseQuery(c, runQuery))
  await requireDeleteRun(context, principal, { project: run.project, runNumber: run.number })
  const { record, job } = await recordedJob(context, c, run)
  if (job.conclusion === null && record.conclusion === null) {
    const what = `job ${job.key}`
    throw storeError('busy', `${what} is still running`, { what })
  }
  await context.metadata.removeRunJob(run.id, job.key, authorOf(context, principal, 'api'))
  return c.body(null, 204)
}

type Pages = AsyncGenerator<Uint8Array, void, undefined>

/** Sends text about the job of the route, one stored page at a time. */
async function sendPages(
  context: AppContext,
  c: AppRequest,
  type: string,
  pagesOf: (metadata: Metadata, job: RecordedJob) => Pages,
): Promise<Response> {
  const principal = await requireReader(context, c)
  const run = await readableRun(context, c, principal, parseQuery(c, runQuery))
  const { job } = await recordedJob(context, c, run)
  const pages = pagesOf(context.metadata, job)
  return await sendPieces(context, c, pages, { type: `${type}; charset=utf-8` })
}

async function* logPages(metadata: Metadata, job: RecordedJob): Pages {
  for (let page = 0; ; page++) {
    const lines = await metadata.readLogPage(job.id, page)
    if (lines === undefined) return
    yield Buffer.from(lines.map(formatLogLine).join(''))
  }
}

/** A blank line separates the summaries of steps. */
async function* summaryPages(metadata: Metadata, job: RecordedJob): Pages {
  let step: number | undefined
  for (let page = 0; ; page++) {
    const found = await metadata.readSummaryPage(job.id, page)
    if (found === undefined) return
    const separator = step === undefined || step === found.step ? '' : '\n\n'
    step = found.step
    yield Buffer.from(separator + found.text)
  }
}

type WireRecord = NonNullable<WireRunDetail['record']>

async function runMessage(
  run: Run,
  record: RunRecord | undefined,
  annotations: RecordedAnnotation[],
  origin: string,
): Promise<WireRunDetail> {
  const { number, project, attempt } = run
  return {
    number,
    project,
    attempt,
    ...factsOf(run),
    createdAt: instant(run.createdAt),
    record: record === undefined ? null : await recordMessage(run, record, annotations, origin),
    links: {
      html: origin + runPagePath(project, number),
      archive: origin + runArchivePath(number, project),
    },
  }
}

/** Jobs that are formatted in one turn of the event loop; each can have a hundred steps. */
const jobsPerTurn = 10

async function recordMessage(
  run: Run,
  record: RunRecord,
  annotations: RecordedAnnotation[],
  origin: string,
): Promise<WireRecord> {
  const ofJob = new Map<number, WireRecord['jobs'][number]['annotations']>()
  for (const { jobId, ...each } of annotations) addTo(ofJob, jobId, each)
  return {
    ...progressMessage(record),
    updatedAt: instant(record.updatedAt),
    jobs: await mapInTurns(record.jobs, jobsPerTurn, (job) => ({
      key: job.key,
      id: job.job,
      name: job.name,
      ...progressMessage(job),
      logLines: job.logLines,
      logCut: job.isLogCut,
      logUrl: origin + jobLogPath(run.number, run.project, { job: job.key, attempt: run.attempt }),
      summaryUrl:
        job.summaryBytes === 0
          ? null
          : origin +
            jobSummaryPath(run.number, run.project, { job: job.key, attempt: run.attempt }),
      annotations: ofJob.get(job.id) ?? [],
      steps: job.steps.map((step) => ({
        number: step.number,
        name: step.name,
        ...progressMessage(step),
      })),
    })),
  }
}

function progressMessage({
  conclusion,
  startedAt,
  durationMs,
}: Progress): Pick<WireRecord, 'state' | keyof Progress> {
  const isOpen = startedAt === null ? 'waiting' : 'running'
  return {
    state: conclusion === null ? isOpen : 'completed',
    conclusion,
    startedAt: startedAt === null ? null : instant(startedAt),
    durationMs,
  }
}
