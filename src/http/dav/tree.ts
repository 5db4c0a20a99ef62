/** The tree that WebDAV shows:
 *
 *    {owner}/{repo}/runs/{run}/{artifact}/{path}
 *    {owner}/{repo}/latest/{branch}/{artifact}/{path}
 *
 *  A segment cannot contain a slash, so owners and branches have `~` instead, which neither groups
 *  (core/run/run.ts) nor branches (git check-ref-format) contain. */
import { mayReadProject, mayReadRun, type Principal } from '../../auth/principal.ts'
import { type ArtifactName, parseArtifactName } from '../../core/artifact.ts'
import { hasCode, isArtifactGone, notFound } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Reference } from '../../core/reference.ts'
import {
  branchOfTag,
  formatProjectPath,
  parsePositiveInteger,
  parseProjectPath,
  type ProjectName,
} from '../../core/run/run.ts'
import type { Artifact, Project, Run } from '../../metadata/metadata.ts'
import { readableProjects, readLive, readProject, requireReadProject } from '../access/access.ts'
import { walkArtifacts } from '../artifact/walk-artifacts.ts'
import type { AppContext } from '../context.ts'
import { artifactItem, findInside } from './artifact-tree.ts'
import { folderItem, folderOf, type Item, type Place } from './place.ts'

/** What a folder lists: the newest runs, branches of recent runs, and the names among the newest
 *  artifacts of a branch. The rest is found by name; clients read whole listings. */
const runsMax = 16_384
const branchesMax = 1000
const latestExaminedMax = 1000

interface Visit {
  context: AppContext
  principal: Principal
}

/** Returns what is at these percent-decoded segments, if the caller may read it. What cannot be a
 *  name does not exist. Errors: not_found, artifact_not_found, artifact_expired,
 *  artifact_deleted, forbidden, unauthenticated. */
export async function findPlace(visit: Visit, segments: readonly string[]): Promise<Place> {
  try {
    return await findNamed(visit, segments)
  } catch (error) {
    if (!hasCode(error, 'invalid_name', 'invalid_request')) throw error
    throw notFound(segments.join('/'), error.message, { cause: error })
  }
}

async function findNamed(visit: Visit, segments: readonly string[]): Promise<Place> {
  const { context, principal } = visit
  const [owner, repo, view, group, name, ...path] = segments
  if (owner === undefined || repo === undefined) return await findOwners(visit, owner)
  const project = await readProject(context, principal, parseProjectPath(owner, repo))
  if (view === undefined) return projectFolder(visit, project, repo)
  if (view !== 'runs' && view !== 'latest') {
    throw notFound(
      view,
      `a project has the folders runs and latest, and no ${JSON.stringify(view)}`,
    )
  }
  const found = view === 'runs' ? runs : latest
  if (group === undefined) return found.all(visit, project)
  if (name === undefined) return await found.one(visit, project, group)
  const reference = found.reference(project.name, group, parseArtifactName(name))
  const artifact = await readLive(context, principal, reference, project.name)
  return await findInside(context.metadata, artifact, path)
}

/** The root, or an owner of projects. */
async function findOwners(
  { context, principal }: Visit,
  owner: string | undefined,
): Promise<Place> {
  const projects = await readableProjects(context, principal)
  const paths = projects.map(({ name, createdAt }) => {
    const [of = '', repo = ''] = formatProjectPath(name).split('/')
    return { of, repo, createdAt }
  })
  if (owner === undefined) {
    // Spellings of an owner that differ in case are one.
    const owners = new Map(paths.map(({ of }) => [of.toLowerCase(), of]))
    return folderOf(
      folderItem('Trove'),
      [...owners.values()].map((of) => folderItem(of)),
    )
  }
  const own = paths.filter(({ of }) => of.toLowerCase() === owner.toLowerCase())
  if (own.length === 0) throw notFound(`owner ${owner}`)
  return folderOf(
    folderItem(owner),
    own.map(({ repo, createdAt }) => folderItem(repo, createdAt)),
  )
}

function projectFolder({ principal }: Visit, { name, createdAt }: Project, repo: string): Place {
  // The token of one run sees no other.
  const views = mayReadProject(principal, name) ? ['latest', 'runs'] : ['runs']
  return folderOf(
    folderItem(repo, createdAt),
    views.map((view) => folderItem(view, createdAt)),
  )
}

/** A folder of a project: its groups of artifacts, one group, and an artifact of it. */
interface View {
  all(visit: Visit, project: Project): Place
  /** Errors: not_found, invalid_request, forbidden. */
  one(visit: Visit, project: Project, group: string): Promise<Place>
  /** Errors: invalid_request. */
  reference(project: ProjectName, group: string, name: ArtifactName): Reference
}

const runs: View = {
  all: (visit, project) => folderOf(folderItem('runs'), listRuns(visit, project)),
  one: async ({ context, principal }, { id: projectId, name: project }, group) => {
    const run = parsePositiveInteger(group, 'run')
    const mayRead = mayReadRun(principal, { project, runNumber: run })
    const found = mayRead ? await context.metadata.findRun(projectId, run) : undefined
    if (found === undefined) throw notFound(`run ${run} of ${project}`)
    return folderOf(
      folderItem(group, found.createdAt),
      newestOfEachName(walkArtifacts(context, { projectId, run })),
    )
  },
  reference: (project, group, name) => ({
    kind: 'run',
    project,
    run: parsePositiveInteger(group, 'run'),
    name,
  }),
}

/** Runs with live artifacts, newest first. Holds the numbers of those it has listed, since an
 *  earlier attempt follows somewhere. */
async function* listRuns(
  { context: { metadata, now }, principal }: Visit,
  { id, name }: Project,
): AsyncGenerator<Item, void, undefined> {
  if (!mayReadProject(principal, name)) {
    const own = principal.run && (await metadata.findRun(id, principal.run.number))
    if (own) yield folderItem(String(own.number), own.createdAt)
    return
  }
  const listed = new Set<number>()
  const page = { limit: limits.listPageMax, filter: { withArtifactsAt: now() } }
  let before: number | undefined
  do {
    const found: Run[] = await metadata.listRuns(id, { ...page, before })
    for (const { number, createdAt } of found) {
      if (listed.has(number)) continue
      if (listed.size === runsMax) return
      listed.add(number)
      yield folderItem(String(number), createdAt)
    }
    before = found.at(-1)?.id
  } while (before !== undefined)
}

async function* newestOfEachName(
  newestFirst: AsyncIterable<Artifact>,
): AsyncGenerator<Item, void, undefined> {
  const listed = new Set<string>()
  for await (const artifact of newestFirst) {
    if (listed.has(artifact.name)) continue
    listed.add(artifact.name)
    yield artifactItem(artifact)
  }
}

const latest: View = {
  all: (visit, project) => {
    requireReadProject(visit.principal, project.name)
    return folderOf(folderItem('latest'), listBranches(visit, project))
  },
  one: async (visit, project, group) => {
    requireReadProject(visit.principal, project.name)
    const branch = await findBranch(visit.context, project, branchOf(group))
    return folderOf(folderItem(group), listLatest(visit, project, branch))
  },
  reference: (_project, group, name) => ({ kind: 'latest', branch: branchOf(group), name }),
}

const branchSlash = '~'

function branchOf(segment: string): string {
  return segment.replaceAll(branchSlash, '/')
}

/** Returns the branch, or else the tag of that name, as it is recorded. Errors: not_found. */
async function findBranch(
  { metadata }: AppContext,
  { id, name }: Project,
  asked: string,
): Promise<string> {
  for (const branch of [asked, branchOfTag(asked)]) {
    const [run] = await metadata.listRuns(id, { limit: 1, filter: { branch } })
    if (run !== undefined) return branch
  }
  throw notFound(`branch ${asked} of ${name}`)
}

/** Branches of recent runs. Those that no segment can stand for are left out. */
async function* listBranches(
  { context: { metadata } }: Visit,
  { id }: Project,
): AsyncGenerator<Item, void, undefined> {
  for (const branch of await metadata.listRunFacts(id, 'branch', branchesMax)) {
    const isPlain =
      branch.isWellFormed() && !branch.includes(branchSlash) && !/^\.{1,2}$/.test(branch)
    if (isPlain) yield folderItem(branch.replaceAll('/', branchSlash))
  }
}

/** The artifact that `latest:BRANCH/NAME` means, for each name among the newest artifacts of the
 *  branch. */
async function* listLatest(
  { context, principal }: Visit,
  { id: projectId, name: project }: Project,
  branch: string,
): AsyncGenerator<Item, void, undefined> {
  const names = new Set<string>()
  let examined = 0
  for await (const { name } of walkArtifacts(context, { projectId, branch })) {
    if (!names.has(name)) {
      names.add(name)
      const reference = { kind: 'latest', branch, name } as const
      const found = await unlessGone(readLive(context, principal, reference, project))
      if (found !== undefined) yield artifactItem(found)
    }
    if (++examined === latestExaminedMax) return
  }
}

async function unlessGone(reading: Promise<Artifact>): Promise<Artifact | undefined> {
  try {
    return await reading
  } catch (error) {
    if (isArtifactGone(error)) return undefined
    throw error
  }
}
