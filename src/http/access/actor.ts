/** The audit log's description of a request's sender. */
import type * as z from 'zod'
import type { actorSchema } from '../../api/fields.ts'
import { isJob, mayAdminister, type Principal } from '../../auth/principal.ts'
import type { Actor, ActOrigin } from '../../core/audit.ts'
import type { Author } from '../../metadata/metadata.ts'
import type { AppContext } from '../context.ts'

export function actorOf(principal: Principal, origin: ActOrigin): Actor {
  const { run, job, person, lineage } = principal
  const ofProject = isJob(principal) ? 'job' : 'person'
  return {
    kind: mayAdminister(principal) ? 'administrator' : ofProject,
    run: run?.number ?? null,
    job,
    person: person?.name ?? null,
    tokenIds: lineage,
    origin,
  }
}

export function authorOf(
  { now }: Pick<AppContext, 'now'>,
  principal: Principal,
  origin: ActOrigin,
): Author {
  return { at: now(), by: actorOf(principal, origin) }
}

/** The wire form of an actor, without the ids of tokens. */
export function actorMessage({ kind, run, job, person }: Actor): z.infer<typeof actorSchema> {
  return { kind, run, job, person }
}
