/** The run and job that a stock client acts for. Only the token is trusted; the ids in a message
 *  must agree with it. */
import { mayWriteRun, type Principal } from '../../auth/principal.ts'
import { backendJobId } from '../../auth/tokens.ts'
import { forbidden } from '../../core/errors.ts'
import type { ProjectName, RunFacts } from '../../core/run/run.ts'
import type { AppContext } from '../../http/context.ts'
import type { Run } from '../../metadata/metadata.ts'
import type { BackendIds } from './messages.ts'

export interface RunPlace {
  project: ProjectName
  runNumber: number
  attempt: number
  facts: RunFacts
}

/** Returns the run of the token. Errors: forbidden (the token has no run, or the message names
 *  another). */
export function runPlaceOf(principal: Principal, ids: BackendIds): RunPlace {
  const { project, run, facts } = principal
  if (project === null || run === null) {
    throw forbidden('the token belongs to no run; mint one with --project, --run and --job')
  }
  if (ids.run !== String(run.number)) {
    throw forbidden(
      `the token belongs to run ${run.number}, but the request names run ${JSON.stringify(ids.run)}`,
    )
  }
  return { project, runNumber: run.number, attempt: run.attempt, facts }
}

/** Returns the run and job of the token, which may upload to them. The run exists from then on.
 *  Errors: forbidden. */
export async function writableRun(
  { metadata, now }: AppContext,
  principal: Principal,
  ids: BackendIds,
): Promise<{ run: Run; job: string }> {
  const place = runPlaceOf(principal, ids)
  const { job } = principal
  if (job === null) throw forbidden('the token belongs to no job; mint one with --job')
  if (ids.job !== backendJobId(job)) {
    throw forbidden(
      `the token belongs to job ${job}, but the request names job ${JSON.stringify(ids.job)}`,
    )
  }
  if (!mayWriteRun(principal, place))
    throw forbidden(`a token of scope ${principal.scope} may not upload`)
  const { project, runNumber: number, attempt, facts } = place
  return { run: await metadata.ensureRun({ project, number, attempt }, facts, now()), job }
}
