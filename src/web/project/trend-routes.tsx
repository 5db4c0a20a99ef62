/** The page of trends: how the size of an artifact changes from run to run. */
import { latestBranch } from '../../core/policy/keep-latest.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import type { Project } from '../../metadata/metadata.ts'
import { headingOf, projectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { TrendPage, type TrendPlace, type TrendView } from './trend-page.tsx'

/** Most artifacts in a trend. The index behind `latest:` holds those of a name on a branch side
 *  by side. */
const pointsMax = 100
/** How many of the newest artifacts are searched for places to suggest. */
const recentMax = 100

export async function trendPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const { project, mayInspect, mayWrite } = await projectOfPage(context, c)
  const place = { name: c.req.query('name') ?? '', branch: c.req.query('branch') ?? '' }
  const isChosen = place.name !== '' && place.branch !== ''
  const view: TrendView = {
    project,
    place,
    trend: isChosen ? await trendOf(context, project, place) : null,
    places: isChosen ? [] : await recentPlaces(context, project),
    mayInspect,
    mayWrite,
    now: context.now(),
  }
  return await sendPage(web, c, {
    ...headingOf(isChosen ? `${place.name} on ${place.branch}` : 'Trends', project.name),
    body: <TrendPage {...view} />,
  })
}

/** Returns the artifacts of a name on a branch, oldest first. Expired ones are included, since
 *  their size is still known; deleted ones are not, since they were probably mistakes. */
async function trendOf(
  { metadata, now }: AppContext,
  project: Project,
  { name, branch }: TrendPlace,
): Promise<TrendView['trend']> {
  const found = await metadata.findArtifacts(
    { projectId: project.id, name, latestOf: branch, state: 'any' },
    { limit: pointsMax, offset: 0, sort: 'newest', now: now() },
  )
  return {
    artifacts: found.filter(({ state }) => state !== 'deleted').toReversed(),
    isCut: found.length === pointsMax,
  }
}

/** Returns the names and branches under which the newest artifacts are, or were, the latest. */
async function recentPlaces(
  { metadata, now }: AppContext,
  project: Project,
): Promise<TrendPlace[]> {
  const recent = await metadata.findArtifacts(
    { projectId: project.id },
    { limit: recentMax, offset: 0, sort: 'newest', now: now() },
  )
  const places = new Map<string, TrendPlace>()
  for (const artifact of recent) {
    const branch = latestBranch(artifact)
    if (branch === null) continue
    const key = JSON.stringify([branch, artifact.name])
    if (!places.has(key)) places.set(key, { name: artifact.name, branch })
  }
  return [...places.values()]
}
