/** The destination of an upload, and the permission to write there; shared by uploads in one
 *  request and negotiated ones. */
import { mayReadProject, mayReadRun, mayWriteRun, type Principal } from '../../auth/principal.ts'
import { type ArtifactName, parseArtifactName } from '../../core/artifact.ts'
import { forbidden, projectNotFound } from '../../core/errors.ts'
import type { ProjectName, RunIdentity } from '../../core/run/run.ts'

export interface UploadDestination extends RunIdentity {
  job: string
  name: ArtifactName
}

/** A job's token uploads under its own job id; other tokens may name one. Errors: invalid_name,
 *  forbidden, not_found (the caller may not see the project). */
export function uploadDestination(
  principal: Principal,
  wanted: {
    project: ProjectName
    run: number
    name: string
    attempt?: number | undefined
    job?: string | undefined
  },
): UploadDestination {
  if (principal.job !== null && wanted.job !== undefined && wanted.job !== principal.job) {
    throw forbidden(
      `this token belongs to job ${principal.job} and cannot upload for job ${wanted.job}`,
    )
  }
  return {
    job: principal.job ?? wanted.job ?? 'upload',
    name: parseArtifactName(wanted.name),
    ...runDestination(principal, wanted),
  }
}

/** The attempt defaults to the token's. Errors: forbidden, not_found (the caller may not see the
 *  project). */
export function runDestination(
  principal: Principal,
  wanted: { project: ProjectName; run: number; attempt?: number | undefined },
): RunIdentity {
  const { project, run: number } = wanted
  const isOwnRun = principal.run?.number === number
  const attempt = wanted.attempt ?? (isOwnRun ? principal.run?.attempt : undefined) ?? 1
  const place = { project, runNumber: number, attempt }
  if (mayWriteRun(principal, place)) return { project, number, attempt }
  if (!mayReadProject(principal, project) && !mayReadRun(principal, place))
    throw projectNotFound(project)
  throw forbidden('writing requires a token of that run and attempt, or one of scope write')
}
