/** What every route is given: the parts that `server.ts` has put together, and the variables of one request. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { AttestationKeys } from '../auth/attestation-keys.ts'
import type { Keys } from '../auth/key.ts'
import type { Principal } from '../auth/principal.ts'
import type { Revocations } from '../auth/revocations.ts'
import type { Config } from '../config.ts'
import type { IngestPool } from '../ingest/pool.ts'
import type { Staging } from '../ingest/staging.ts'
import type { ClockWatch } from '../lifecycle/clock-watch.ts'
import type { DiskSpace } from '../lifecycle/disk-space.ts'
import type { Maintenance } from '../lifecycle/maintenance.ts'
import type { Upkeep } from '../lifecycle/upkeep.ts'
import type { Log } from '../log.ts'
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'
import type { Arrivals } from './upload/arrivals.ts'
import type { IdTokenVerifier } from './access/issuer-keys.ts'
import type { RequestMetrics } from './operation/metrics.ts'

export interface AppContext {
  config: Config
  metadata: Metadata
  packs: PackStore
  ingest: IngestPool
  staging: Staging
  keys: Keys
  attestationKeys: AttestationKeys
  revocations: Revocations
  /** Null where no issuer is trusted. */
  idTokens: IdTokenVerifier | null
  space: DiskSpace
  clock: Pick<ClockWatch, 'look'>
  maintenance: Maintenance
  upkeep: Upkeep
  /** Epoch ms. */
  now(): number
  log: Log
  metrics: RequestMetrics
  arrivals: Arrivals
  /** Aborted once the server has begun to stop: new work is refused, running work goes on. */
  stopping: AbortSignal
  /** Aborted when running work has had its time during a stop: bodies still being sent end as failures do. */
  graceOver: AbortSignal
  /** Named moments at which tests stop the process; absent otherwise. */
  checkpoint?: ((step: string) => void | Promise<void>) | undefined
}

export interface AppEnv {
  Bindings: HttpBindings
  Variables: {
    /** Also in the `x-request-id` header of the answer and in every log line of the request. */
    requestId: string
    log: Log
    /** Set by `access/authenticate.ts` once a token was verified. */
    principal?: Principal
    /** Error code of the answer, for the log line of the request. */
    failure?: string
  }
}

export type AppRequest = Context<AppEnv>

export type Outgoing = HttpBindings['outgoing']

/** Where the answer is written. Absent when the app is called without a server. */
export function outgoingOf(c: AppRequest): Outgoing | undefined {
  return bindingsOf(c)?.outgoing
}

/** Where the request comes from. Absent when the app is called without a server. */
export function incomingOf(c: AppRequest): HttpBindings['incoming'] | undefined {
  return bindingsOf(c)?.incoming
}

function bindingsOf(c: AppRequest): Partial<HttpBindings> | undefined {
  return c.env
}

/** Origin for links: the configured one, else the one the request was sent to. */
export function publicOrigin(context: Pick<AppContext, 'config'>, c: AppRequest): string {
  return context.config.publicUrl ?? new URL(c.req.url).origin
}

/** Whether a proxy says that it passes the request on. Some say nothing. */
export function isForwarded(c: AppRequest): boolean {
  return ['via', 'forwarded', 'x-forwarded-for', 'x-real-ip'].some(
    (name) => c.req.header(name) !== undefined,
  )
}
