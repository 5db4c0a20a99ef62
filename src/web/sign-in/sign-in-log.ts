/** Records sign-ins in the audit log, refused ones too. Anybody can be refused, and the holder of a
 *  token can sign in again and again, so an hour has a bounded number of entries, and the next
 *  entry counts the sign-ins that were left out. */
import { mayAdminister, type Person, type Principal } from '../../auth/principal.ts'
import type { Actor } from '../../core/audit.ts'
import { asError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { hourMs } from '../../core/units.ts'
import { actorOf } from '../../http/access/actor.ts'
import type { AppContext } from '../../http/context.ts'
import type { NewAct } from '../../metadata/metadata.ts'

/** Host of the provider of single sign-on, or what a browser signed in with. */
export type SignInMethod = { provider: string } | { with: 'token' | 'link' }

export interface SignInLog {
  /** `session`: the principal of the new session. */
  accepted(session: Principal, method: SignInMethod): Promise<void>
  /** `who`: as far as it was proven. */
  refused(who: Principal | Person | null, method: SignInMethod, reason: string): Promise<void>
}

const reasonCharactersMax = 200

export function createSignInLog({
  metadata,
  log,
  now,
}: Pick<AppContext, 'metadata' | 'log' | 'now'>): SignInLog {
  const acceptedPerHour = createHourlyBound()
  const refusedPerHour = createHourlyBound()
  const record = async (by: Actor | null, act: NewAct): Promise<void> => {
    try {
      await metadata.recordAct({ at: now(), by }, act)
    } catch (error) {
      // Also on a full disk people must be able to sign in, to free space.
      log.error('cannot record a sign-in', { error: asError(error) })
    }
  }
  return {
    accepted: async (session, method) => {
      const who = session.person?.id ?? session.lineage.at(-1) ?? ''
      const unrecorded = acceptedPerHour(who, limits.signInsRecordedPerHour, now())
      if (unrecorded === null) return
      const details = { ...method, ...unrecorded }
      const by = actorOf(session, 'page')
      await record(by, { kind: 'sign-in', project: projectOf(session), details })
    },
    refused: async (who, method, reason) => {
      const unrecorded = refusedPerHour('', limits.refusalsRecordedPerHour, now())
      if (unrecorded === null) return
      const details = { ...method, reason: reason.slice(0, reasonCharactersMax), ...unrecorded }
      const isBearer = who !== null && 'scope' in who
      const by = isBearer ? actorOf(who, 'page') : who && personActor(who)
      const project = isBearer ? projectOf(who) : null
      await record(by, { kind: 'refused-sign-in', project, details })
    },
  }
}

function projectOf(principal: Principal): NewAct['project'] {
  return mayAdminister(principal) ? null : principal.project
}

function personActor({ name }: Person): Actor {
  return { kind: 'person', run: null, job: null, person: name, tokenIds: [], origin: 'page' }
}

type HourlyBound = (who: string, max: number, now: number) => { unrecorded?: number } | null

/** Returns a function that answers null for more than `max` events of `who` in an hour, and
 *  otherwise how many it has answered so since. */
function createHourlyBound(): HourlyBound {
  const counts = new Map<string, number>()
  let hour = 0
  let unrecorded = 0
  return (who, max, now) => {
    const current = Math.floor(now / hourMs)
    if (current !== hour) counts.clear()
    hour = current
    const count = (counts.get(who) ?? 0) + 1
    counts.set(who, count)
    if (count > max) {
      unrecorded += 1
      return null
    }
    const left = unrecorded
    unrecorded = 0
    return left === 0 ? {} : { unrecorded: left }
  }
}
