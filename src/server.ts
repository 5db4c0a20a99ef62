/** Composition root: builds a listening server from a Config, and shuts it down. Pack storage
 *  and metadata implementations are chosen here and nowhere else. */
import { join } from 'node:path'
import { openAttestationKeys } from './auth/attestation-keys.ts'
import { openKeys, type Keys } from './auth/key.ts'
import { createRevocations } from './auth/revocations.ts'
import { adminGrant, mintToken } from './auth/tokens.ts'
import type { Config } from './config/config.ts'
import { type Cleanup, cleanUp } from './core/clean-up.ts'
import { limits } from './core/limits.ts'
import { hourMs } from './core/units.ts'
import { lockDataDir } from './metadata/sqlite/data-lock.ts'
import { createApp } from './http/app.ts'
import type { AppContext } from './http/context.ts'
import { createArrivals } from './http/upload/arrivals.ts'
import { createIdTokenVerifier } from './http/access/issuer-keys.ts'
import { openPeople } from './http/access/open-people.ts'
import { createSingleSignOn } from './http/access/single-sign-on.ts'
import { createVisitors } from './http/access/visitors.ts'
import { listen } from './http/listener.ts'
import { createRequestMetrics } from './http/operation/metrics.ts'
import { createStartingApp } from './http/starting.ts'
import { type IngestPoolOptions, openIngestPool } from './ingest/pool/pool.ts'
import { openStaging } from './ingest/staging/staging.ts'
import { requireSetClock, startClockWatch } from './lifecycle/clock-watch.ts'
import { databaseOf } from './lifecycle/data-directory.ts'
import { type DiskSpace, openDiskSpace } from './lifecycle/disk-space.ts'
import { startMaintenance } from './lifecycle/maintenance.ts'
import { recoverAtStart } from './lifecycle/recovery/recover-at-start.ts'
import { createPlanning } from './lifecycle/background/background.ts'
import { restoreAtStart } from './lifecycle/recovery/restore-at-start.ts'
import { startBackgroundJobs } from './lifecycle/background/background-jobs.ts'
import { confirmingActs } from './lifecycle/snapshot/confirmed-acts.ts'
import { startUsageHistory } from './lifecycle/usage-history.ts'
import { createWriteProbe } from './lifecycle/write-probe.ts'
import type { Log } from './log.ts'
import { startLogKeeper } from './metadata/sqlite/log/log-keeper.ts'
import { createSharedLog } from './metadata/sqlite/log/shared-log.ts'
import { openMetadataThreads } from './metadata/sqlite/thread/sqlite-worker.ts'
import { openPackStore } from './packs/open-pack-store.ts'
import { findPackPlace, openPlaceCheck } from './packs/pack-place.ts'
import { createRenderer } from './web/renderer.ts'

export interface RunningServer {
  /** The listening address: `http://HOST:PORT`. */
  url: string
  /** A link that signs a browser in as administrator; valid for an hour. */
  signInUrl: string
  /** Resolves with the reason once another server has taken the bucket of the packs over, and this
   *  one acknowledges nothing any more; otherwise never. */
  replaced: Promise<Error>
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
  /** Tests do the work of these threads on that of the server. */
  openMetadata?: typeof openMetadataThreads | undefined
  openLogKeeper?: typeof startLogKeeper | undefined
  startIngestThread?: IngestPoolOptions['startThread']
  /** Upper bound on the time that running requests get during a stop. */
  graceMs?: number
}

/** Errors: ClockError, DataLockedError, and those of the system when it cannot listen. */
export async function startServer(config: Config, options: ServerOptions): Promise<RunningServer> {
  requireSetClock((options.now ?? Date.now)())
  const cleanups: Cleanup[] = []
  const stop = new AbortController()
  const graceOver = new AbortController()
  try {
    const lock = lockDataDir(config.dataDir, 'serve')
    cleanups.push(() => lock.release())
    let step = 'starting'
    let app = createStartingApp(() => step)
    const listener = await listen((request, env) => app.fetch(request, env), config)
    cleanups.push(() => listener.close(graceOver, 0))
    const isNew = await restoreAtStart(config, {
      log: options.log,
      onStep: (next) => (step = next),
      signal: stop.signal,
    })
    step = 'starting'
    const context = await openContext(config, options, {
      cleanups,
      stopping: stop.signal,
      graceOver: graceOver.signal,
    })
    // A new store that is lost before the bucket has any of it could not be told from a lost one.
    if (isNew) await context.backgroundJobs.snapshots?.following()
    const renderer = createRenderer()
    cleanups.push(() => renderer.close())
    app = createApp(context, renderer)
    const host = config.host.includes(':') ? `[${config.host}]` : config.host
    const url = `http://${host}:${listener.port}`
    lock.announce(url)
    // Not every browser can connect to the wildcard address.
    const nearUrl = url.replace(/\/\/(?:0\.0\.0\.0|\[::\])(?=:)/, '//127.0.0.1')
    let closed: Promise<void> | undefined
    return {
      url,
      signInUrl: await signInUrlOf(context.keys, config.publicUrl ?? nearUrl, context.now()),
      replaced: context.backgroundJobs.snapshots?.replaced ?? new Promise<never>(() => {}),
      close: async () => {
        closed ??= (async () => {
          stop.abort()
          await listener.close(graceOver, options.graceMs ?? limits.stopGraceMs)
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

interface Opening
  extends
    Omit<ServerOptions, 'now' | 'elapsedMs'>,
    Required<Pick<ServerOptions, 'now' | 'elapsedMs'>> {
  config: Config
  /** Receives how to close each thing that was opened. */
  cleanups: Cleanup[]
}

/** Opens everything below HTTP in order of dependency, and recovers the store. */
async function openContext(
  config: Config,
  options: ServerOptions,
  ends: { cleanups: Cleanup[]; stopping: AbortSignal; graceOver: AbortSignal },
): Promise<AppContext> {
  const { log, now = Date.now, elapsedMs = () => performance.now(), checkpoint } = options
  const { cleanups, stopping, graceOver } = ends
  const opening = { ...options, config, now, elapsedMs, cleanups }
  const keys = await openKeys(config.dataDir, config.secretKey)
  const { dataDir: directory, minFreeBytes } = config
  const space = await openDiskSpace({ directory, minFreeBytes })
  await space.makeRoom()
  const attestationKeys = await openAttestationKeys(directory, config.attestationKey)
  const storage = await openStorage(opening, space)
  const { metadata, packs, staging, clock } = storage
  await recoverAtStart(storage, log)
  const ingest = await openIngest(opening, storage, space)
  const revocations = createRevocations(await metadata.listRevocations())
  const background = startBackground(opening, storage, { space, revocations })
  const history = await startUsageHistory({ metadata, now, clock, log })
  cleanups.push(() => history.stop())
  return {
    config,
    metadata: confirmingActs(metadata, background.backgroundJobs.confirm),
    packs,
    staging,
    now,
    space,
    writeProbe: createWriteProbe({ dataDir: directory, log }),
    clock,
    ...background,
    ingest,
    keys,
    attestationKeys,
    revocations,
    people: await openPeople(config, metadata),
    visitors: createVisitors(config),
    log,
    metrics: createRequestMetrics(),
    arrivals: createArrivals(now),
    idTokens: createIdTokenVerifier(config, now),
    singleSignOn: createSingleSignOn(config),
    stopping,
    graceOver,
    checkpoint,
  }
}

type Storage = Awaited<ReturnType<typeof openStorage>>

/** Opens the packs, the database, and the directory for bytes that are neither yet. */
async function openStorage(
  { config, cleanups, openMetadata = openMetadataThreads, ...options }: Opening,
  { requireRoom }: DiskSpace,
) {
  const { dataDir, openUploadsMax } = config
  const { log, now, elapsedMs, checkpoint, openLogKeeper = startLogKeeper } = options
  const packPlace = await findPackPlace(dataDir, config.packBucket)
  const placeCheck = await openPlaceCheck(dataDir, packPlace)
  cleanups.push(() => placeCheck.close())
  const packs = await openPackStore(packPlace, placeCheck.requireOwn)
  cleanups.push(() => packs.close())
  const quota = { projectBytes: config.projectQuotaBytes, storeBytes: config.storeQuotaBytes }
  const sharedLog = createSharedLog()
  const path = databaseOf(dataDir)
  const onMigration = (missing: number): void => log.info('migrating the database', { missing })
  const metadata = await openMetadata({ path, sharedLog, quota, openUploadsMax, onMigration })
  cleanups.push(() => metadata.close())
  const clock = await startClockWatch({ metadata, log, now, elapsedMs })
  cleanups.push(() => clock.stop())
  // Removing what is old by a wrong clock is left to a maintenance round, which waits until the
  // clock is believed.
  await metadata.setKeepLatest([...config.keepLatest], clock.believedNow())
  const logKeeper = await openLogKeeper({
    path,
    sharedLog,
    onFailure: (error) => {
      log.error('the log keeper failed', { error })
    },
  })
  cleanups.push(() => logKeeper.close())
  const uploadBytesMax = config.artifactBytesMax
  const stagingDirectory = join(dataDir, 'cas', 'staging', 'uploads')
  const staging = await openStaging(stagingDirectory, { uploadBytesMax, requireRoom, checkpoint })
  return {
    packPlace,
    placeCheck,
    packs,
    path,
    sharedLog,
    logKeeper,
    metadata,
    quota,
    clock,
    staging,
  }
}

async function openIngest(
  { config, log, cleanups, startIngestThread }: Opening,
  { path, packPlace, sharedLog, quota, staging }: Storage,
  { minFreeBytes }: DiskSpace,
): Promise<AppContext['ingest']> {
  const { artifactBytesMax, entriesMax, compressionLevel, stockZips, workers } = config
  const ingest = await openIngestPool({
    workers,
    staging,
    databasePath: path,
    packPlace,
    dataDir: config.dataDir,
    minFreeBytes,
    sharedLog,
    settings: { artifactBytesMax, entriesMax, compressionLevel, stockZips, quota },
    startThread: startIngestThread,
    onWorkerFailure: (error) => {
      log.error('an ingest thread failed', { error })
    },
  })
  cleanups.push(() => ingest.close())
  return ingest
}

function startBackground(
  { config, log, now, checkpoint, cleanups }: Opening,
  { metadata, packs, staging, path, packPlace, placeCheck, sharedLog, logKeeper, clock }: Storage,
  { space, revocations }: Pick<AppContext, 'space' | 'revocations'>,
): Pick<AppContext, 'maintenance' | 'backgroundJobs'> {
  const purgeRevocations = async (endedBy: number, limit: number): Promise<number> => {
    revocations.dropEnded(endedBy)
    return await metadata.purgeRevocations(endedBy, limit)
  }
  const maintenance = startMaintenance({
    ports: { metadata: { ...metadata, purgeRevocations }, packs, staging, now, checkpoint },
    space,
    requirePacks: placeCheck.requireOwn,
    clock,
    log,
    intervalMs: config.gcIntervalMs,
    compactBytesPerSecond: config.compactBytesPerSecond,
    historyMs: config.historyMs,
    plan: createPlanning({ databasePath: path, packPlace, sharedLog }),
  })
  cleanups.push(() => maintenance.close())
  const backgroundJobs = startBackgroundJobs({
    ...config,
    packPlace,
    findSuccessor: placeCheck.findSuccessor,
    sharedLog,
    capture: logKeeper.capture,
    jobs: maintenance.jobs,
    metadata,
    log,
  })
  cleanups.push(() => backgroundJobs.close())
  return { maintenance, backgroundJobs }
}

async function signInUrlOf(keys: Keys, origin: string, now: number): Promise<string> {
  const token = await mintToken(keys.tokens, adminGrant(now, hourMs), 'sign-in')
  return `${origin}/sign-in?token=${token}`
}
