/** Settings of one project. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { projectPolicySchema, type WireProject } from '../../api/admin-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { noFields } from '../../api/queries.ts'
import { mayAdminister } from '../../auth/principal.ts'
import { forbidden } from '../../core/errors.ts'
import { compileLatestRule } from '../../core/policy/keep-latest.ts'
import type { ProjectPolicy } from '../../core/policy/project-policy.ts'
import { checkOverrides } from '../../core/policy/retention.ts'
import type { ProjectName } from '../../core/run/run.ts'
import { dayMs } from '../../core/units.ts'
import type { Author, Project } from '../../metadata/metadata.ts'
import { readProject, requireInspectProject } from '../access/access.ts'
import { instant } from '../instant.ts'
import { authorOf } from '../access/actor.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { parseBody, parseInput, parseQuery, projectParameter } from '../input.ts'

export function addProjectRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/projects/:owner/:repo`, async (c) => {
    const principal = await requirePrincipal(context, c)
    parseQuery(c, noFields)
    const project = await readProject(context, principal, projectParameter(c))
    requireInspectProject(principal, project.name)
    return c.json(projectMessage(project), 200, { 'cache-control': 'no-store' })
  })
  app.patch(`${apiRoot}/projects/:owner/:repo`, async (c) => {
    const principal = await requirePrincipal(context, c)
    const name = projectParameter(c)
    if (!mayAdminister(principal)) {
      await readProject(context, principal, name)
      throw settingsForbidden()
    }
    const input = await parseBody(context, c, z.unknown())
    const project = await changeProject(context, name, input, authorOf(context, principal, 'api'))
    return c.json(projectMessage(project))
  })
}

export function settingsForbidden(): Error {
  return forbidden('project settings require a token of scope admin')
}

/** Changes the project settings given in `input`; changes none if any is invalid. Errors:
 *  invalid_request, naming the field. */
export async function changeProject(
  { metadata }: Pick<AppContext, 'metadata'>,
  name: ProjectName,
  input: unknown,
  author: Author,
): Promise<Project> {
  const changes = changesOf(parseInput(projectPolicySchema, input, 'body'))
  checkOverrides({ ...((await metadata.findProject(name)) ?? noOverrides), ...changes })
  compileLatestRule(changes.keepLatest ?? [])
  // Creates a project without uploads, so that its settings apply to the first one too.
  const project = await metadata.ensureProject(name, author.at)
  await metadata.setProjectPolicy(project.id, changes, author.at, author)
  return (await metadata.findProject(project.name)) ?? project
}

const noOverrides = { retentionDefaultMs: null, retentionMinMs: null, retentionMaxMs: null }

type WirePolicy = z.infer<typeof projectPolicySchema>

function changesOf(policy: WirePolicy): Partial<ProjectPolicy> {
  const { onConflict, strict, keepLatest, quotaBytes } = policy
  const { retentionDays, retentionMinDays, retentionMaxDays } = policy
  const milliseconds = (days: number | null): number | null =>
    days === null ? null : Math.round(days * dayMs)
  return {
    ...(onConflict !== undefined && { onConflict }),
    ...(strict !== undefined && { strict }),
    ...(keepLatest !== undefined && { keepLatest }),
    ...(quotaBytes !== undefined && { quotaBytes }),
    ...(retentionDays !== undefined && { retentionDefaultMs: milliseconds(retentionDays) }),
    ...(retentionMinDays !== undefined && { retentionMinMs: milliseconds(retentionMinDays) }),
    ...(retentionMaxDays !== undefined && { retentionMaxMs: milliseconds(retentionMaxDays) }),
  }
}

export function projectMessage(project: Project): WireProject {
  return {
    name: project.name,
    onConflict: project.onConflict,
    strict: project.strict,
    keepLatest: project.keepLatest,
    retentionDays: daysOf(project.retentionDefaultMs),
    retentionMinDays: daysOf(project.retentionMinMs),
    retentionMaxDays: daysOf(project.retentionMaxMs),
    quotaBytes: project.quotaBytes,
    createdAt: instant(project.createdAt),
  }
}

/** The wire form of a subset of the settings. */
export function policyMessage({
  retentionDefaultMs,
  retentionMinMs,
  retentionMaxMs,
  ...policy
}: Partial<ProjectPolicy>): WirePolicy {
  return {
    ...policy,
    ...(retentionDefaultMs !== undefined && { retentionDays: daysOf(retentionDefaultMs) }),
    ...(retentionMinMs !== undefined && { retentionMinDays: daysOf(retentionMinMs) }),
    ...(retentionMaxMs !== undefined && { retentionMaxDays: daysOf(retentionMaxMs) }),
  }
}

function daysOf(ms: number | null): number | null {
  return ms === null ? null : ms / dayMs
}
