/** Workflows in GitHub's REST API: those with known runs. `gh` looks up the names of all
 *  workflows before it shows a run. */
import type { Hono } from 'hono'
import type { AppContext, AppEnv } from '../../http/context.ts'
import { projectParameter } from '../../http/input.ts'
import type { Project } from '../../metadata/metadata.ts'
import { findReadableProject, notFound } from './access.ts'
import { repositoryUrl, takePage } from './links.ts'
import { runListResponse } from './runs.ts'
import { workflowFields, workflowNumber } from './workflow-fields.ts'

/** The most recently used workflows. */
const workflowsMax = 1000
/** How many of them an error message lists. */
const namedMax = 20

export function addWorkflowRoutes(
  app: Hono<AppEnv>,
  context: AppContext,
  repository: string,
): void {
  const workflows = `${repository}/actions/workflows`
  app.get(workflows, async (c) => {
    const project = await findReadableProject(context, c)
    const known = await listWorkflows(context, project)
    const url = `${repositoryUrl(context, c, projectParameter(c))}/actions/workflows`
    const shown = takePage(context, c, known)
    return c.json({
      total_count: known.length,
      workflows: shown.map((name) => workflowObject(url, name)),
    })
  })

  app.get(`${workflows}/:workflow`, async (c) => {
    const project = await findReadableProject(context, c)
    const asked = c.req.param('workflow')
    const url = `${repositoryUrl(context, c, projectParameter(c))}/actions/workflows`
    // `gh` reads an unknown workflow id of a run as 0, and shows no run at all if that workflow is
    // not found.
    const workflow = asked === '0' ? null : await readWorkflow(context, project, asked)
    return c.json(workflowObject(url, workflow))
  })

  app.get(`${workflows}/:workflow/runs`, async (c) => {
    const project = await findReadableProject(context, c)
    const workflow = await readWorkflow(context, project, c.req.param('workflow'))
    return await runListResponse(context, c, project, { workflow })
  })
}

/** `asked` is the name under which runs are recorded, the file name if that name is a path, or
 *  the workflow's number. Errors: not_found. */
async function readWorkflow(
  context: AppContext,
  project: Project | undefined,
  asked: string,
): Promise<string> {
  const known = await listWorkflows(context, project)
  const workflow =
    known.find((name) => name === asked) ??
    known.find((name) => name.endsWith(`/${asked}`) || String(workflowNumber(name)) === asked)
  if (workflow !== undefined) return workflow
  if (project !== undefined) {
    // A workflow that is not among the most recently used.
    const filter = { workflow: asked }
    const [run] = await context.metadata.listRuns(project.id, { limit: 1, filter })
    if (run !== undefined) return asked
  }
  const others = known.slice(0, namedMax).join(', ')
  const reason = `no run of a workflow ${JSON.stringify(asked)} is known`
  throw notFound('workflow', others === '' ? reason : `${reason}; known workflows: ${others}`)
}

async function listWorkflows(
  { metadata }: AppContext,
  project: Project | undefined,
): Promise<string[]> {
  if (project === undefined) return []
  return await metadata.listRunFacts(project.id, 'workflow', workflowsMax)
}

function workflowObject(url: string, name: string | null): object {
  const { workflow_id: id, path } = workflowFields(name)
  // `gh` considers only active workflows. Here none is ever disabled.
  return { id: id ?? 0, name, path, state: 'active', url: `${url}/${id ?? 0}` }
}
