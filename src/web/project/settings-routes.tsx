/** Settings of one project: retention, and what its uploads may do. Changes are validated and
 *  applied as by `PATCH`. */
import { isPublic, mayAdminister } from '../../auth/principal.ts'
import { hasCode } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { dayMs } from '../../core/units.ts'
import { authorOf } from '../../http/access/actor.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { changeProject, projectMessage, settingsForbidden } from '../../http/operation/projects.ts'
import { retentionOf } from '../../http/artifact/retention.ts'
import { walkArtifacts } from '../../http/artifact/walk-artifacts.ts'
import { measureDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact, ArtifactFilter, ArtifactSums, Project } from '../../metadata/metadata.ts'
import { daysOf, readForm } from '../input.ts'
import { headingOf, inspectedProjectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { retentionPath, settingsPath } from '../paths.ts'
import { sendSlowPage } from '../slow-page.tsx'
import { Outcome, RetentionPage, type RetentionView, type Simulation } from './retention-page.tsx'
import { enteredForm, ownForm, policyOf, type ShownSettings } from './settings-form.tsx'
import { SettingsPage } from './settings-page.tsx'

const lostShown = 20

interface PageOfSettings {
  pathOf(project: string): string
  send(web: Web, c: AppRequest, shown: ShownSettings, status: 200 | 400): Promise<Response>
}

export const settingsPage: PageOfSettings = {
  pathOf: settingsPath,
  send: async (web, c, shown, status) => {
    const { config, metadata } = web.context
    const { project } = shown
    const { logicalBytes } = await metadata.projectFigures(project.id)
    return await sendPage(web, c, {
      ...headingOf('Settings', project.name),
      status,
      body: <SettingsPage {...shown} server={config} usedBytes={logicalBytes} />,
    })
  },
}

export const retentionPage: PageOfSettings = {
  pathOf: retentionPath,
  send: async (web, c, shown, status) => {
    const { context } = web
    const { project } = shown
    const asked = c.req.query('days')
    const days = asked === undefined ? undefined : daysOf(asked)
    const kept = async (filter: ArtifactFilter): Promise<ArtifactSums> =>
      await context.metadata.sumArtifacts({ projectId: project.id, ...filter }, context.now())
    const view: RetentionView = {
      ...shown,
      policy: await retentionOf(context, project.name),
      serverPolicy: context.config.retention,
      kept: await kept({ pinned: true }),
      serverKeepsLatest: context.config.keepLatest,
      keptLatest: await kept({ keptLatest: true }),
      days,
    }
    const heading = headingOf('Retention', project.name)
    if (days === undefined || status !== 200)
      return await sendPage(web, c, { ...heading, status, body: <RetentionPage {...view} /> })
    return await sendSlowPage(web, c, {
      ...heading,
      frame: (part) => <RetentionPage {...view}>{part}</RetentionPage>,
      waiting: 'Calculating what would have expired…',
      part: async () => (
        <Outcome simulation={await simulate(context, project, days, c.req.raw.signal)} />
      ),
    })
  },
}

export async function showSettings(
  web: Web,
  c: AppRequest,
  page: PageOfSettings,
): Promise<Response> {
  const { principal, project, mayWrite } = await inspectedProjectOfPage(web.context, c)
  const { config } = web.context
  const shown = {
    project,
    form: ownForm(projectMessage(project), config.keepLatest),
    isPublic: isPublic(principal, project.name),
    mayWrite,
    mayChange: mayAdminister(principal),
  }
  return await page.send(web, c, shown, 200)
}

/** Applies a posted form. If it is rejected, shows the form again with what was entered. */
export async function changeSettings(
  web: Web,
  c: AppRequest,
  page: PageOfSettings,
): Promise<Response> {
  const { context } = web
  const { principal, project, mayWrite } = await inspectedProjectOfPage(context, c)
  if (!mayAdminister(principal)) throw settingsForbidden()
  const entered = await readForm(context, c)
  try {
    const author = authorOf(context, principal, 'page')
    await changeProject(context, project.name, policyOf(entered), author)
  } catch (error) {
    if (!hasCode(error, 'invalid_request')) throw error
    const form = enteredForm(entered, error)
    if (form === undefined) throw error
    const shown = { project, form, mayWrite, mayChange: true }
    return await page.send(web, c, { ...shown, isPublic: isPublic(principal, project.name) }, 400)
  }
  return c.redirect(page.pathOf(project.name), 303)
}

/** Finds what would have expired by now if artifacts that are not kept lived for `days`. */
async function simulate(
  context: AppContext,
  project: Project,
  days: number,
  signal: AbortSignal,
): Promise<Simulation> {
  const { metadata, checkpoint } = context
  const now = context.now()
  const before = now - days * dayMs
  const lost: Artifact[] = []
  let complete = true
  const filter = { projectId: project.id, pinned: false, keptLatest: false }
  for await (const artifact of walkArtifacts(context, filter, 'oldest')) {
    signal.throwIfAborted()
    if (artifact.createdAt > before) break
    complete = lost.length < limits.bulkDeleteMax
    if (!complete) break
    lost.push(artifact)
  }
  const ids = lost.map(({ id }) => id)
  await checkpoint?.('measuring')
  return {
    days,
    lost: lost.slice(0, lostShown),
    lostCount: lost.length,
    lostBytes: lost.reduce((sum, { logicalBytes }) => sum + logicalBytes, 0),
    freedBytes: ids.length === 0 ? 0 : await measureDeletion(metadata, ids, now),
    complete,
  }
}
