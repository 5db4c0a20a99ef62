/** Strict projects: a job replaces and deletes only what it made itself, so that one step gone wrong cannot pass its bytes
 *  off as another job's. */
import {
  isJob,
  mayDelete,
  mayDeleteRun,
  type Principal,
  type RunPlace,
} from '../../auth/principal.ts'
import { heldByOtherJob } from '../../core/artifact.ts'
import type { Artifact, Project, Replacement } from '../../metadata/metadata.ts'
import { forbidden } from './access.ts'
import type { AppContext } from '../context.ts'

/** Whether `principal` is a job that its project, else the server, holds to its own artifacts. `known`: the project, where it is at
 *  hand. */
export async function isStrictFor(
  { metadata, config }: AppContext,
  principal: Principal,
  known?: Project,
): Promise<boolean> {
  if (!isJob(principal) || principal.project === null) return false
  const project = known ?? (await metadata.findProject(principal.project))
  return project?.strict ?? config.strict
}

/** How an upload of `principal` takes the place of the artifact that holds its name. */
export async function replacementBy(
  context: AppContext,
  principal: Principal,
  known?: Project,
): Promise<Replacement> {
  return (await isStrictFor(context, principal, known)) ? 'replace-own' : 'replace'
}

/** Errors: forbidden. */
export async function requireDelete(
  context: AppContext,
  principal: Principal,
  artifacts: Artifact[],
): Promise<void> {
  const strict = await isStrictFor(context, principal)
  for (const artifact of artifacts) {
    if (mayDelete(principal, artifact, strict)) continue
    if (mayDelete(principal, artifact, false)) throw heldByOtherJob(artifact)
    throw forbidden('deleting needs a token of the run that made the artifact, or of scope write')
  }
}

/** Errors: forbidden. */
export async function requireDeleteRun(
  context: AppContext,
  principal: Principal,
  place: RunPlace,
): Promise<void> {
  if (mayDeleteRun(principal, place, await isStrictFor(context, principal))) return
  throw forbidden(
    mayDeleteRun(principal, place, false)
      ? 'this project is strict: no job deletes what others of its run made'
      : 'deleting needs a token of the run, or of scope write',
  )
}
