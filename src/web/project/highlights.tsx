/** The top of a project's page: artifacts that are kept, and the newest ones of its main branch. */
import type { Child } from 'hono/jsx'
import { seenBy } from '../../http/access/seen-by.ts'
import type { AppContext } from '../../http/context.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { PageProject } from '../page-access.ts'
import { ArtifactName } from '../parts/artifact-name.tsx'
import { Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { listPath } from '../paths.ts'

/** Artifacts per list. */
const shownMax = 4
/** Workflows have runs of their own, so that the newest run alone may lack most artifacts. */
const examinedRuns = 10
/** The store does not know a repository's default branch; these names are tried in turn. */
const mainBranches = ['main', 'master', 'trunk', 'develop', 'dev']

export interface Highlights {
  kept: Artifact[]
  /** Undefined if no run is of a main branch. */
  latest: { branch: string; artifacts: Artifact[] } | undefined
}

/** Returns them as the visitor may see them. `branches`: those of recent runs. */
export async function findHighlights(
  context: AppContext,
  { project: { id: projectId }, principal }: Pick<PageProject, 'project' | 'principal'>,
  branches: readonly string[],
): Promise<Highlights> {
  const now = context.now()
  const branch = mainBranches.find((each) => branches.includes(each))
  const newest = { offset: 0, sort: 'newest', now } as const
  const [kept, latest] = await Promise.all([
    context.metadata.findArtifacts({ projectId, pinned: true }, { ...newest, limit: shownMax + 1 }),
    branch === undefined ? [] : latestOf(context, { projectId, branch, now }),
  ])
  const seen = (artifacts: Artifact[]): Artifact[] =>
    artifacts.map((each) => seenBy(principal, each))
  return {
    kept: seen(kept),
    latest: branch === undefined ? undefined : { branch, artifacts: seen(latest) },
  }
}

/** The newest artifact of each name, among those of the last runs. */
async function latestOf(
  { metadata }: AppContext,
  { projectId, branch, now }: { projectId: number; branch: string; now: number },
): Promise<Artifact[]> {
  const runs = await metadata.listRuns(projectId, {
    limit: examinedRuns,
    filter: { branch, isOfPullRequest: false },
  })
  const numbers = [...new Set(runs.map(({ number }) => number))]
  const page = { limit: shownMax + 1, offset: 0, sort: 'newest', now } as const
  const ofEach = await Promise.all(
    numbers.map(
      async (run) => await metadata.findArtifacts({ projectId, run, latestOf: branch }, page),
    ),
  )
  const byName = new Map<string, Artifact>()
  for (const artifact of ofEach.flat())
    if (!byName.has(artifact.name)) byName.set(artifact.name, artifact)
  return [...byName.values()]
}

export function ProjectHighlights({
  project,
  highlights: { kept, latest },
  mayKeep,
  now,
}: {
  project: string
  highlights: Highlights
  /** Whether the visitor may keep artifacts; others see no empty list of kept ones. */
  mayKeep: boolean
  now: number
}): Html {
  return (
    <div class="cards">
      {latest !== undefined && (
        <Card
          title={
            <>
              Latest on <bdi>{latest.branch}</bdi>
            </>
          }
          artifacts={latest.artifacts}
          none="Its last runs have no artifacts."
          more={<a href={listPath(project, { branch: latest.branch })}>More of this branch</a>}
          now={now}
        />
      )}
      {(kept.length > 0 || mayKeep) && (
        <Card
          title="Kept"
          artifacts={kept}
          none="No artifact is kept. The button “Keep” on an artifact’s page protects it from expiring."
          more={<a href={listPath(project, { pinned: '1' })}>More kept artifacts</a>}
          now={now}
        />
      )}
    </div>
  )
}

function Card({
  title,
  artifacts,
  none,
  more,
  now,
}: {
  title: Child
  artifacts: Artifact[]
  /** Why the list is empty. */
  none: string
  /** A link to the whole list. */
  more: Child
  now: number
}) {
  return (
    <section class="card">
      <h2>{title}</h2>
      {artifacts.length === 0 && <p class="quiet">{none}</p>}
      <ul class="brief">
        {artifacts.slice(0, shownMax).map((artifact) => (
          <li>
            <span>
              <ArtifactName artifact={artifact} now={now} />
            </span>
            <span class="quiet">
              run {artifact.runNumber}, <Size bytes={artifact.logicalBytes} />,{' '}
              <Time at={artifact.createdAt} now={now} />
            </span>
          </li>
        ))}
      </ul>
      {artifacts.length > shownMax && more}
    </section>
  )
}
