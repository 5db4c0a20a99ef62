/** The context of every route: the parts that `server.ts` assembled, and the variables of one
 *  request. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { AttestationKeys } from '../auth/attestation-keys.ts'
import type { Keys } from '../auth/key.ts'
import type { People } from '../auth/people.ts'
import type { Principal } from '../auth/principal.ts'
import type { Revocations } from '../auth/revocations.ts'
import type { Signer } from '../auth/signed-urls.ts'
import type { Config } from '../config/config.ts'
import type { IngestPool } from '../ingest/pool/pool.ts'
import type { Staging } from '../ingest/staging/staging.ts'
import type { ClockWatch } from '../lifecycle/clock-watch.ts'
import type { DiskSpace } from '../lifecycle/disk-space.ts'
import type { Maintenance } from '../lifecycle/maintenance.ts'
import type { BackgroundJobs } from '../lifecycle/background/background-jobs.ts'
import type { WriteProbe } from '../lifecycle/write-probe.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'
import type { Arrivals } from './upload/arrivals.ts'
import type { IdTokenVerifier } from './access/issuer-keys.ts'
import type { Visitors } from './access/visitors.ts'
import type { SingleSignOn } from './access/single-sign-on.ts'
import type { Failure, RequestMetrics } from './operation/metrics.ts'

export interface AppContext {
  config: Config
  metadata: Metadata
  packs: PackStore
  ingest: IngestPool
  staging: Staging
  keys: Keys
  attestationKeys: AttestationKeys
  revocations: Revocations
  people: People
  visitors: Visitors
  /** Null when no issuer is trusted. */
  idTokens: IdTokenVerifier | null
  /** Null unless configured. */
  singleSignOn: SingleSignOn | null
  space: DiskSpace
  writeProbe: WriteProbe
  clock: Pick<ClockWatch, 'look' | 'retentionFrom'>
  maintenance: Maintenance
  backgroundJobs: BackgroundJobs
  /** Epoch ms. */
  now(): number
  log: Log
  metrics: RequestMetrics
  arrivals: Arrivals
  /** Aborted once the server has begun to stop: new work is rejected, running work continues. */
  stopping: AbortSignal
  /** Aborted when the grace period of a stop is over: bodies still being sent end as failures. */
  graceOver: AbortSignal
  /** Called at named steps, where tests pause or kill the process; absent otherwise. */
  checkpoint?: ((step: string) => void | Promise<void>) | undefined
}

export interface AppEnv {
  Bindings: HttpBindings
  Variables: {
    /** Also in the `x-request-id` response header and in every log line of the request. */
    requestId: string
    log: Log
    /** Set by `access/authenticate.ts` once a token was verified. */
    principal?: Principal
    /** Set by `access/signed-access.ts` once a signed URL was verified that a token signed. */
    signer?: Signer
    /** Set once all bytes that the head of the response announced were passed on. A client may
     *  hang up when it has them, before the response has ended. */
    isBodyComplete?: boolean
    /** For the log line of the request. */
    failure?: Failure
    /** Why, for the same line. */
    reason?: string
  }
}

export type AppRequest = Context<AppEnv>

export type Outgoing = HttpBindings['outgoing']

/** The response being written. Undefined when the app is called without a server. */
export function outgoingOf(c: AppRequest): Outgoing | undefined {
  return bindingsOf(c)?.outgoing
}

/** The incoming request. Undefined when the app is called without a server. */
export function incomingOf(c: AppRequest): HttpBindings['incoming'] | undefined {
  return bindingsOf(c)?.incoming
}

function bindingsOf(c: AppRequest): Partial<HttpBindings> | undefined {
  return c.env
}

/** Origin for links: the configured one, else that of the request's URL. */
export function publicOrigin(context: Pick<AppContext, 'config'>, c: AppRequest): string {
  return context.config.publicUrl ?? new URL(c.req.url).origin
}

/** Whether a proxy header shows that the request was forwarded. Not every proxy sends one. */
export function isForwarded(c: AppRequest): boolean {
  return ['via', 'forwarded', 'x-forwarded-for', 'x-real-ip'].some(
    (name) => c.req.header(name) !== undefined,
  )
}
