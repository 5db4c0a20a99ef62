/** The audit log's description of a request's sender. */
import { isJob, mayAdminister, type Principal } from '../../auth/principal.ts'
import type { Actor, ActOrigin } from '../../core/audit.ts'
import type { Asked } from '../../metadata/metadata.ts'
import type { AppContext } from '../context.ts'

export function actorOf(principal: Principal, origin: ActOrigin): Actor {
  const { run, job, lineage } = principal
  const ofProject = isJob(principal) ? 'job' : 'person'
  return {
    kind: mayAdminister(principal) ? 'administrator' : ofProject,
    run: run?.number ?? null,
    job,
    tokenIds: lineage,
    origin,
  }
}

export function askedBy(
  { now }: Pick<AppContext, 'now'>,
  principal: Principal,
  origin: ActOrigin,
): Asked {
  return { at: now(), by: actorOf(principal, origin) }
}
