/** Strict projects: a job may replace and delete only artifacts it made itself, so that one
 *  compromised step cannot pass its bytes off as another job's. */
import {
  isJob,
  mayDelete,
  mayDeleteRun,
  type Principal,
  type RunPlace,
} from '../../auth/principal.ts'
import { heldAsKept, heldByOtherJob } from '../../core/artifact.ts'
import { forbidden } from '../../core/errors.ts'
import type { Artifact, Project, Replacement } from '../../metadata/metadata.ts'
import { denied } from './authenticate.ts'
import type { AppContext } from '../context.ts'

/** Whether `principal` is a job restricted to its own artifacts, by its project's setting or
 *  else the server's. `known` saves the lookup of the project. */
export async function isStrictFor(
  { metadata, config }: AppContext,
  principal: Principal,
  known?: Project,
): Promise<boolean> {
  if (!isJob(principal) || principal.project === null) return false
  const project = known ?? (await metadata.findProject(principal.project))
  return project?.strict ?? config.strict
}

/** How an upload by `principal` replaces the artifact that has its name. */
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
    if (mayDelete(principal, { ...artifact, pinned: false }, strict)) throw heldAsKept(artifact)
    if (mayDelete(principal, { ...artifact, pinned: false }, false)) throw heldByOtherJob(artifact)
    const needed =
      'deleting requires a token of the run that made the artifact, or one of scope write'
    throw denied(principal, forbidden(needed))
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
      ? 'this project is strict: a job cannot delete what other jobs of its run made'
      : 'deleting requires a token of the run, or one of scope write',
  )
}
