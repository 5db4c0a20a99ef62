/** Composition root: builds a listening server from a Config, and shuts it down. Pack storage
 *  and metadata implementations are chosen here and nowhere else. */
import { getRequestListener } from '@hono/node-server'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openAttestationKeys } from './auth/attestation-keys.ts'
import { openKeys, type Keys } from './auth/key.ts'
import { createRevocations } from './auth/revocations.ts'
import { adminGrant, mintToken } from './auth/tokens.ts'
import type { Config } from './config.ts'
import { limits } from './core/limits.ts'
import { lockDataDir } from './metadata/data-lock.ts'
import { createApp } from './http/app.ts'
import { type Connections, connectionsMax, createConnections } from './http/connections.ts'
import type { AppContext } from './http/context.ts'
import { createArrivals } from './http/upload/arrivals.ts'
import { createIdTokenVerifier } from './http/access/issuer-keys.ts'
import { inTurn } from './http/in-turn.ts'
import { createRequestMetrics } from './http/operation/metrics.ts'
import { openIngestPool } from './ingest/pool.ts'
import { dropRefusedUploads } from './ingest/refused-uploads.ts'
import { openStaging } from './ingest/staging.ts'
import { startClockWatch } from './lifecycle/clock-watch.ts'
import { openDiskSpace } from './lifecycle/disk-space.ts'
import { startMaintenance } from './lifecycle/maintenance.ts'
import { recover } from './lifecycle/recover.ts'
import { startBackgroundJobs } from './lifecycle/background-jobs.ts'
import { startUsageHistory } from './lifecycle/usage-history.ts'
import type { Log } from './log.ts'
import { startLogKeeper } from './metadata/log-keeper.ts'
import { createSharedLog } from './metadata/shared-log.ts'
import { openMetadataWorker } from './metadata/sqlite-worker.ts'
import { openPackStore } from './packs/open-pack-store.ts'
import { findPackPlace } from './packs/pack-place.ts'
import { createRenderer, type Renderer } from './web/renderer.ts'

export interface RunningServer {
  /** The listening address: `http://HOST:PORT`. */
  url: string
  /** A link that signs a browser in as administrator; valid for an hour. */
  signInUrl: string
  /** Rejects new work, lets running requests finish for at most `limits.stopGraceMs`, then
   *  closes everything. Later calls wait for the first. */
  close(): Promise<void>
}

export interface ServerOptions {
  log: Log
  /** Epoch ms; tests replace it. */
  now?: () => number
  /** Milliseconds of a monotonic clock; tests replace it. */
  elapsedMs?: () => number
  /** Called at named steps, where tests pause or kill the process. */
  checkpoint?: ((step: string) => void | Promise<void>) | undefined
  /** Upper bound on the time that running requests get during a stop. */
  graceMs?: number
}

type Cleanup = () => unknown

/** Runs all cleanups, newest first, even when some fail. Errors: that of the first one to fail. */
async function cleanUp(cleanups: Cleanup[]): Promise<void> {
  const failures: unknown[] = []
  for (const cleanup of cleanups.reverse().splice(0)) {
    try {
      await cleanup()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

/** Errors: DataLockedError, and those of the system when it cannot listen. */
export async function startServer(config: Config, options: ServerOptions): Promise<RunningServer> {
  const cleanups: Cleanup[] = []
  try {
    const stop = new AbortController()
    const graceOver = new AbortController()
    const lock = lockDataDir(config.dataDir)
    cleanups.push(() => {
      lock.release()
    })
    const context = await openContext(config, options, {
      cleanups,
      stopping: stop.signal,
      graceOver: graceOver.signal,
    })
    const renderer = createRenderer()
    cleanups.push(() => renderer.close())
    const listener = await listen(context, renderer)
    const { port } = listener.server.address() as AddressInfo
    const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`
    lock.announce(url)
    // Not every browser can connect to the wildcard address.
    const nearUrl = url.replace(/\/\/(?:0\.0\.0\.0|\[::\])(?=:)/, '//127.0.0.1')
    let closed: Promise<void> | undefined
    return {
      url,
      signInUrl: await signInUrlOf(context.keys, config.publicUrl ?? nearUrl, context.now()),
      close: async () => {
        closed ??= (async () => {
          stop.abort()
          await closeServer(listener, graceOver, options.graceMs ?? limits.stopGraceMs)
          await cleanUp(cleanups)
        })()
        await closed
      },
    }
  } catch (error) {
    await cleanUp(cleanups).catch((failure: Error) => {
      options.log.error('cleanup after a failed start failed', { error: failure })
    })
    throw error
  }
}

/** Opens everything below HTTP in order of dependency, and recovers the store. */
async function openContext(
  config: Config,
  { log, now = Date.now, elapsedMs = () => performance.now(), checkpoint }: ServerOptions,
  ends: { cleanups: Cleanup[]; stopping: AbortSignal; graceOver: AbortSignal },
): Promise<AppContext> {
  const { cleanups, stopping, graceOver } = ends
  const keys = await openKeys(config.dataDir)
  const databasePath = join(config.dataDir, 'trove.db')
  const { dataDir: directory, minFreeBytes } = config
  const space = await openDiskSpace({ directory, minFreeBytes })
  await space.makeRoom()
  const attestationKeys = await openAttestationKeys(config.dataDir)
  const packPlace = await findPackPlace(directory, config.packBucket)
  const packs = await openPackStore(packPlace)
  cleanups.push(() => packs.close())
  const quota = { projectBytes: config.projectQuotaBytes, storeBytes: config.storeQuotaBytes }
  const sharedLog = createSharedLog()
  const metadata = await openMetadataWorker({
    path: databasePath,
    sharedLog,
    quota,
    openUploadsMax: config.openUploadsMax,
  })
  cleanups.push(() => metadata.close())
  const clock = await startClockWatch({ metadata, log, now, elapsedMs })
  cleanups.push(() => clock.stop())
  // Removing what is old by a wrong clock is left to a maintenance round, which waits until the
  // clock is believed.
  await metadata.setKeepLatest([...config.keepLatest], clock.believedNow())
  const logKeeper = await startLogKeeper({
    path: databasePath,
    sharedLog,
    onFailure: (error) => {
      log.error('the log keeper failed', { error })
    },
  })
  cleanups.push(() => logKeeper.close())
  const staging = await openStaging(join(directory, 'cas', 'staging', 'uploads'), {
    uploadBytesMax: config.artifactBytesMax,
    requireRoom: space.requireRoom,
    checkpoint,
  })
  await dropRefusedUploads(metadata, staging)
  const recovery = await recover({
    metadata,
    packs,
    staging,
    now: clock.believedNow,
    onStuck: (pack, error) => {
      log.warn('cannot remove an unregistered pack', { pack, error })
    },
  })
  if (Object.values(recovery).some((figure) => figure > 0)) log.info('recovered', { ...recovery })
  const { artifactBytesMax, entriesMax, compressionLevel, stockZips, workers } = config
  const ingest = await openIngestPool({
    workers,
    databasePath,
    packPlace,
    disk: { directory, minFreeBytes: space.minFreeBytes },
    sharedLog,
    settings: { artifactBytesMax, entriesMax, compressionLevel, stockZips, quota },
    onWorkerFailure: (error) => {
      log.error('an ingest thread failed', { error })
    },
  })
  cleanups.push(() => ingest.close())
  const ports = { metadata, packs, staging, now }
  const maintenance = startMaintenance({
    ports: { ...ports, checkpoint },
    space,
    clock,
    log,
    intervalMs: config.gcIntervalMs,
    compactBytesPerSecond: config.compactBytesPerSecond,
    historyMs: config.historyMs,
  })
  cleanups.push(() => maintenance.close())
  const { scrubIntervalMs, scrubBytesPerSecond, secrets } = config
  const { jobs } = maintenance
  const backgroundJobs = startBackgroundJobs({
    dataDir: directory,
    packPlace,
    sharedLog,
    jobs,
    metadata,
    log,
    scrubIntervalMs,
    scrubBytesPerSecond,
    secrets,
  })
  cleanups.push(() => backgroundJobs.close())
  const history = await startUsageHistory({ metadata, now, clock, log })
  cleanups.push(() => history.stop())
  const metrics = createRequestMetrics()
  return {
    config,
    ...ports,
    space,
    clock,
    maintenance,
    backgroundJobs,
    ingest,
    keys,
    attestationKeys,
    revocations: createRevocations(await metadata.listRevocations()),
    log,
    metrics,
    arrivals: createArrivals(now),
    idTokens: createIdTokenVerifier(config, now),
    stopping,
    graceOver,
    checkpoint,
  }
}

interface Listener {
  server: Server
  connections: Connections
}

async function listen(context: AppContext, renderer: Renderer): Promise<Listener> {
  const { host, port } = context.config
  const answer = getRequestListener(createApp(context, renderer).fetch, {
    // We drain bodies ourselves, before the response.
    autoCleanupIncoming: false,
  })
  const connections = createConnections()
  const server = createServer(
    inTurn(connections.whileBusy((request, response) => void answer(request, response))),
  )
  // A large upload may take hours. Inactivity is bounded instead, by the idle timers of bodies.
  server.requestTimeout = 0
  server.headersTimeout = 60_000
  // Longer than the 60 s of common load balancers, so that none sends a request on a connection we
  // are closing.
  server.keepAliveTimeout = 65_000
  connections.bound(server, await connectionsMax())
  server.listen(port, host)
  await once(server, 'listening')
  return { server, connections }
}

/** Stops accepting connections, waits for running requests, then fails their bodies, then
 *  destroys the remaining connections. */
async function closeServer(
  { server, connections }: Listener,
  graceOver: AbortController,
  graceMs: number,
): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  // Connections that were busy at that moment stay open after their response unless closed here.
  // Node does not count as idle those on which no request was ever sent; browsers and connection
  // pools open such connections in advance.
  const idle = setInterval(() => {
    server.closeIdleConnections()
    for (const connection of connections.open) if (connection.bytesRead === 0) connection.destroy()
  }, 50)
  const timers = [
    setTimeout(() => {
      graceOver.abort()
    }, graceMs),
    setTimeout(() => {
      server.closeAllConnections()
    }, graceMs + limits.endingMs),
  ]
  await closed
  clearInterval(idle)
  for (const timer of timers) clearTimeout(timer)
}

async function signInUrlOf(keys: Keys, origin: string, now: number): Promise<string> {
  const token = await mintToken(keys.tokens, adminGrant(now, 60 * 60 * 1000), 'sign-in')
  return `${origin}/sign-in?token=${token}`
}
