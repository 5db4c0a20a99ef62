/** Jobs and their annotations in GitHub's REST API ("REST API endpoints for workflow jobs", "…for
 *  check runs"), for recorded runs. */
import type { Hono } from 'hono'
import { attemptPagePath, jobLogPath } from '../../api/paths.ts'
import { mayReadRun } from '../../auth/principal.ts'
import { invalidRequest } from '../../core/errors.ts'
import { mapInTurns } from '../../core/turn.ts'
import { headBranchOf, headShaOf, isSameProject } from '../../core/run/run.ts'
import { requireBearerReader } from '../../http/access/authenticate.ts'
import { sendJson } from '../../http/body/gzip.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../../http/context.ts'
import { numberParameter, projectParameter } from '../../http/input.ts'
import type { RecordedAnnotation, RecordedJob, Run } from '../../metadata/metadata.ts'
import { missingFor, notFound, readRun } from './access.ts'
import { repositoryUrl, takePage } from './links.ts'
import { progressFields } from './progress.ts'

export function addJobRoutes(app: Hono<AppEnv>, context: AppContext, repository: string): void {
  for (const route of ['runs/:run/jobs', 'runs/:run/attempts/:attempt/jobs']) {
    app.get(`${repository}/actions/${route}`, async (c) => {
      const run = await readRun(context, c)
      if (c.req.query('filter') === 'all') {
        const reason = 'only the jobs of one attempt can be listed: use /attempts/NUMBER/jobs'
        throw invalidRequest('filter', reason)
      }
      const record = await context.metadata.findRunRecord(run.id, context.now())
      const jobs = record?.jobs ?? []
      const page = takePage(context, c, jobs)
      // One of them can have ten thousand steps.
      const objects = await mapInTurns(page, 1, (job) => jobObject(context, c, run, job))
      return await sendJson(c, { total_count: jobs.length, jobs: objects })
    })
  }

  app.get(`${repository}/actions/jobs/:job`, async (c) => {
    const { run, job } = await readJob(context, c)
    return c.json(jobObject(context, c, run, job))
  })

  app.get(`${repository}/actions/jobs/:job/logs`, async (c) => {
    const { run, job } = await readJob(context, c)
    const path = jobLogPath(run.number, run.project, { job: job.key, attempt: run.attempt })
    return c.redirect(publicOrigin(context, c) + path, 302)
  })

  // At GitHub, a job and its check run have the same id.
  app.get(`${repository}/check-runs/:job/annotations`, async (c) => {
    const { run, job } = await readJob(context, c)
    const annotations = await context.metadata.listAnnotations(run.id, job.id)
    return await sendJson(c, takePage(context, c, annotations).map(annotationObject))
  })
}

/** Errors: unauthenticated, not_found. */
async function readJob(
  context: AppContext,
  c: AppRequest,
): Promise<{ run: Run; job: RecordedJob }> {
  const principal = await requireBearerReader(context, c)
  const id = numberParameter(c, 'job', 'job_id')
  const run = await context.metadata.findRunOfJob(id)
  const project = projectParameter(c)
  const isIts = run !== undefined && isSameProject(run.project, project)
  if (!isIts || !mayReadRun(principal, { project: run.project, runNumber: run.number }))
    throw missingFor(principal, project, 'job')
  const record = await context.metadata.findRunRecord(run.id, context.now())
  const job = record?.jobs.find((each) => each.id === id)
  if (job === undefined) throw notFound('job')
  return { run, job }
}

/** GitHub gives annotations without a file the path `.github`, and all a line. */
function annotationObject(annotation: RecordedAnnotation): object {
  const { level, message, title, file, line, endLine, column, endColumn } = annotation
  return {
    path: file ?? '.github',
    start_line: line ?? 1,
    end_line: endLine ?? line ?? 1,
    start_column: column,
    end_column: endColumn ?? column,
    annotation_level: level === 'error' ? 'failure' : level,
    title: title ?? '',
    message,
    raw_details: '',
  }
}

function jobObject(context: AppContext, c: AppRequest, run: Run, job: RecordedJob): object {
  const actions = `${repositoryUrl(context, c, projectParameter(c))}/actions`
  return {
    id: job.id,
    run_id: run.number,
    run_url: `${actions}/runs/${run.number}`,
    run_attempt: run.attempt,
    workflow_name: run.workflow,
    head_branch: headBranchOf(run),
    head_sha: headShaOf(run),
    url: `${actions}/jobs/${job.id}`,
    html_url: publicOrigin(context, c) + attemptPagePath(run.project, run.number, run.attempt),
    name: job.name,
    ...progressFields(job),
    steps: job.steps.map(({ number, name, ...progress }) => ({
      number,
      name,
      ...progressFields(progress),
    })),
  }
}
