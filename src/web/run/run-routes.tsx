/** The page of a run. */
import { Hono } from 'hono'
import { attemptPagePath, runPagePath } from '../../api/paths.ts'
import { mayDelete, mayReadProject, mayWriteProject, type Principal } from '../../auth/principal.ts'
import { previousOf } from '../../browse/previous.ts'
import { readShownLogs } from '../../browse/run-log.ts'
import { limits } from '../../core/limits.ts'
import { isLive, isRestorable } from '../../core/policy/retention.ts'
import { readableRun } from '../../http/access/access.ts'
import { requireReader } from '../../http/access/authenticate.ts'
import { seenBy } from '../../http/access/seen-by.ts'
import type { AppContext, AppEnv, AppRequest } from '../../http/context.ts'
import { numberParameter, projectParameter } from '../../http/input.ts'
import { isStrictFor } from '../../http/access/strict.ts'
import { recordedJob } from '../../http/run/run-records.ts'
import type {
  Artifact,
  RecordedJob,
  RecordedStep,
  Run,
  RunRecord,
} from '../../metadata/metadata.ts'
import { DeletedNotice } from '../artifact/delete-page.tsx'
import { numberOfQuery } from '../input.ts'
import { crumbsOf } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { shortened } from '../parts/format.tsx'
import { createReportFinder, type FindReports } from '../reports/find-reports.ts'
import { type ArtifactReports, RunReports } from '../reports/run-reports.tsx'
import { sendSlowPage } from '../slow-page.tsx'
import { jobPagePath, withQuery } from '../paths.ts'
import { JobPage } from './job-page.tsx'
import { anchorOf, fittingJobs, fittingLogs } from './run-jobs.tsx'
import { type RecordedView, RunPage, type RunView } from './run-page.tsx'
import { type StepReportLimits, showStepReports } from './step-reports.tsx'

const artifactsPerPage = 50
/** How many artifacts of a run are compared with the previous run, and searched for reports. */
const examinedMax = 20

/** Compressed bytes of annotations, summaries, jobs and logs on the page of a run, which also holds
 *  the artifacts. */
const recordBytesMax = 12 * 1024
const jobsBytesMax = 3 * 1024
const reportsOfRun: StepReportLimits = {
  // The artifacts are below them.
  annotationsMax: 20,
  annotationsBytesMax: 2.5 * 1024,
  summariesBytesMax: 5 * 1024,
  messageCharactersMax: 500,
  level: 3,
}
/** On the page of a job, which holds nothing else. */
const reportsOfJob: StepReportLimits = {
  annotationsMax: limits.annotationsPerJobMax,
  annotationsBytesMax: 8 * 1024,
  summariesBytesMax: 15 * 1024,
  messageCharactersMax: limits.annotationCharactersMax,
  level: 2,
}

export function createRunPages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  const pages = { web, findReports: createReportFinder(web) }
  const route = '/:owner/:repo/actions/runs/:run{[0-9]+}'
  app.get(route, async (c) => await runPage(pages, c))
  app.get(`${route}/attempts/:attempt{[0-9]+}`, async (c) => {
    return await runPage(pages, c, numberParameter(c, 'attempt'))
  })
  app.get(`${route}/attempts/:attempt{[0-9]+}/jobs/:job`, async (c) => await jobPage(web, c))
  return app
}

/** Shows the given attempt, by default the newest. The artifacts are those of all attempts. */
async function runPage(
  { web, findReports }: { web: Web; findReports: FindReports },
  c: AppRequest,
  attempt?: number,
): Promise<Response> {
  const { context } = web
  const principal = await requireReader(context, c)
  const run = await readableRun(context, c, principal, { project: projectParameter(c), attempt })
  const { projectId, project, number } = run
  const path =
    attempt === undefined ? runPagePath(project, number) : attemptPagePath(project, number, attempt)
  const now = context.now()
  const limit = artifactsPerPage
  const at = numberOfQuery(c, 'page') ?? 1
  const { artifacts, total } = await context.metadata.listArtifacts(
    { projectId, run: number, state: 'any' },
    { limit, offset: (at - 1) * limit, sort: 'name', now },
  )
  if (artifacts.length === 0 && total > 0) {
    const last = { page: String(Math.ceil(total / limit)) }
    return c.redirect(withQuery(path, last), 302)
  }
  const record = await context.metadata.findRunRecord(run.id, now)
  const { signal } = c.req.raw
  const recorded =
    record && (await showRecord(web, { run, record, from: jobsFrom(c, record), signal }, path))
  const strict = await isStrictFor(context, principal)
  const allLive = artifacts.filter((each) => isLive(each, now))
  const live = allLive.slice(0, examinedMax)
  const view: Omit<RunView, 'reports'> = {
    run,
    attemptBefore: await context.metadata.findRun(projectId, number, run.attempt - 1),
    recorded,
    artifacts: artifacts.map((each) => seenBy(principal, each)),
    total,
    arrivals: context.arrivals.list(projectId, number),
    previous: await previousOfEach(context, principal, live, now),
    mayDelete: (artifact) => mayDelete(principal, artifact, strict),
    more: at * limit < total ? withQuery(path, { page: String(at + 1) }) : null,
    now,
  }
  const deleted = await deletedArtifact(context, c, run)
  const mayUndo = mayWriteProject(principal, project)
  return await sendSlowPage(web, c, {
    title: `Run ${number} · ${project}`,
    crumbs: crumbsOf({ project, run: number }),
    frame: (reports) => (
      <>
        {deleted !== undefined && mayUndo && <DeletedNotice artifact={deleted} />}
        <RunPage {...view} reports={reports} />
      </>
    ),
    waiting: 'Reading reports…',
    part: async () => {
      const all = await reportsOfEach(findReports, live, signal)
      return <RunReports all={all} searched={live.length < allLive.length ? live.length : null} />
    },
  })
}

/** What fits of a record, with the jobs from a position. `path`: that of the page. */
async function showRecord(
  web: Web,
  place: { run: Run; record: RunRecord; from: number; signal: AbortSignal },
  path: string,
): Promise<RecordedView> {
  const { run, record, from } = place
  const stepPath = (job: RecordedJob, step: RecordedStep | undefined): string => {
    const shownJob = shown.jobs.find(({ id }) => id === job.id)
    if (shownJob === undefined) return jobPagePath(run, job.key)
    const isShown = shownJob.steps.some(({ number }) => number === step?.number)
    return `#${anchorOf(job, isShown ? step : undefined)}`
  }
  const shown = await fittingJobs(run, record, { from, bytesMax: jobsBytesMax })
  const reported = await showStepReports(web, { ...place, stepPath }, reportsOfRun)
  const read = await readShownLogs(web.context.metadata, shown.jobs)
  const logs = await fittingLogs(read, recordBytesMax - reported.bytes - shown.bytes)
  const { next } = shown
  const moreJobs = next === null ? null : `${withQuery(path, { jobs: String(next) })}#jobs`
  return { record, reported, shown, logs, moreJobs }
}

/** The position in `?jobs=`; 0 if there is no such job. */
function jobsFrom(c: AppRequest, { jobs }: RunRecord): number {
  const from = Number(c.req.query('jobs') ?? 0)
  return Number.isSafeInteger(from) && from > 0 && from < jobs.length ? from : 0
}

/** Shows the annotations and the summary of one job. */
async function jobPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requireReader(context, c)
  const place = { project: projectParameter(c), attempt: numberParameter(c, 'attempt') }
  const run = await readableRun(context, c, principal, place)
  const { record, job } = await recordedJob(context, c, run)
  const { signal } = c.req.raw
  const reports = await showStepReports(web, { run, record, job, signal }, reportsOfJob)
  return await sendPage(web, c, {
    title: `${job.name} · Run ${run.number} · ${run.project}`,
    crumbs: [
      ...crumbsOf({ project: run.project, run: run.number }),
      { label: shortened(job.name), href: '' },
    ],
    body: <JobPage run={run} job={job} reports={reports} />,
  })
}

/** By artifact id: the artifact of the same name in the previous run on the branch. */
async function previousOfEach(
  context: AppContext,
  principal: Principal,
  artifacts: readonly Artifact[],
  now: number,
): Promise<Map<number, Artifact>> {
  const previous = new Map<number, Artifact>()
  for (const artifact of artifacts) {
    if (!mayReadProject(principal, artifact.project)) continue
    const before = await previousOf(context.metadata, artifact, now)
    if (before !== undefined) previous.set(artifact.id, before)
  }
  return previous
}

async function reportsOfEach(
  findReports: FindReports,
  artifacts: readonly Artifact[],
  signal: AbortSignal,
): Promise<ArtifactReports[]> {
  const found: ArtifactReports[] = []
  for (const artifact of artifacts) {
    const reports = await findReports(artifact, signal)
    if (reports !== undefined) found.push({ artifact, reports })
  }
  return found
}

/** Returns the artifact in `?deleted=`, if its deletion can still be undone. */
async function deletedArtifact(
  { metadata, config, now }: AppContext,
  c: AppRequest,
  { projectId, number }: Run,
): Promise<Artifact | undefined> {
  const id = c.req.query('deleted')
  if (id === undefined || !/^\d{1,15}$/.test(id)) return undefined
  const artifact = await metadata.findArtifact(Number(id))
  const isOurs = artifact?.projectId === projectId && artifact.runNumber === number
  return isOurs && isRestorable(artifact, { undoMs: config.undoMs, now: now() })
    ? artifact
    : undefined
}
