/** Archives: an artifact as zip or tar.gz, a whole run as one zip. */
import type { Hono } from 'hono'
import { apiRoot, archivePath } from '../../api/paths.ts'
import { archiveQuery, runArchiveQuery } from '../../api/queries.ts'
import { mayReadRun, type Principal } from '../../auth/principal.ts'
import { assertLive } from '../../browse/find-artifact.ts'
import { notFound, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { representRunZip, representTarGz, representZip } from '../../egress/egress.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { liveArtifact, readProjectOf } from '../access/access.ts'
import { requireReader } from '../access/authenticate.ts'
import { seenBy } from '../access/seen-by.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { numberParameter, parseQuery } from '../input.ts'
import { sendUnderLease } from '../body/reading.ts'
import { walkArtifacts } from './walk-artifacts.ts'

export function addArchiveRoutes(app: Hono<AppEnv>, context: AppContext): void {
  for (const [format, represent] of [
    ['zip', representZip] as const,
    ['tar.gz', representTarGz] as const,
  ]) {
    app.get(`${apiRoot}/artifacts/:id{[0-9]+}/archive.${format}`, async (c) => {
      const { artifact } = await liveArtifact(context, c)
      const { path, intact } = parseQuery(c, archiveQuery)
      const paths = path === undefined ? [] : [path]
      return await sendUnderLease(context, c, {
        artifacts: [artifact],
        represent: () => represent(context, artifact, { paths, intact, signal: c.req.raw.signal }),
        ...asAttachment,
      })
    })
  }
  app.get(`${apiRoot}/runs/:run{[0-9]+}/archive.zip`, async (c) => {
    const principal = await requireReader(context, c)
    const { project, intact } = parseQuery(c, runArchiveQuery)
    const run = numberParameter(c, 'run')
    const artifacts = await artifactsOfRun(context, principal, { project, run })
    return await sendUnderLease(context, c, {
      artifacts,
      represent: () => representRunZip(context, artifacts, { intact, signal: c.req.raw.signal }),
      ...asAttachment,
    })
  })
  app.get('/api/artifacts/:id{[0-9]+}/download', async (c) => {
    const { artifact } = await liveArtifact(context, c)
    return c.redirect(archivePath(artifact.id, 'zip'), 302)
  })
}

const asAttachment = {
  mode: 'ranged',
  disposition: 'attachment',
} as const

/** Returns the live artifacts of a run, sorted by name; of equal names in several attempts, that of
 *  the newest. Errors: not_found, invalid_request, too_large; artifact_expired or artifact_deleted
 *  when all have ended. */
async function artifactsOfRun(
  context: AppContext,
  principal: Principal,
  { project: named, run: number }: { project: string | undefined; run: number },
): Promise<Artifact[]> {
  const project = await readProjectOf(context, principal, named)
  const found = new Map<string, Artifact>()
  const filter = { projectId: project.id, run: number }
  if (mayReadRun(principal, { project: project.name, runNumber: number })) {
    for await (const artifact of walkArtifacts(context, filter)) {
      const known = found.get(artifact.name)
      if (known === undefined || artifact.attempt > known.attempt)
        found.set(artifact.name, artifact)
      if (found.size > limits.artifactsPerRunMax) throw tooMany(number)
    }
    if (found.size === 0) await assertNoneEnded(context, principal, filter)
  }
  if (found.size === 0) {
    const what = `run ${number} of ${project.name}`
    throw notFound(what, `${what} has no artifacts`)
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function tooMany(run: number): Error {
  const limitValue = limits.artifactsPerRunMax
  const reason = `run ${run} has more than ${limitValue} artifacts, the limit for one archive`
  return tooLarge('artifacts of a run', limitValue, reason)
}

/** Reports how the newest of the run's artifacts ended, if there is one. Errors:
 *  artifact_expired, artifact_deleted. */
async function assertNoneEnded(
  { metadata, now }: AppContext,
  principal: Principal,
  filter: { projectId: number; run: number },
): Promise<void> {
  const at = now()
  const newest = await metadata.findNewest({ ...filter, state: 'any' }, at)
  if (newest !== undefined) assertLive(seenBy(principal, newest), at)
}
