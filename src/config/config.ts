/** Settings; with the files it imports, the only reader of the environment. Flags take
 *  precedence over the environment, and that over defaults. All problems are reported at once,
 *  each with the variable's name and what it accepts. A returned value is frozen and needs no
 *  further checks. */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { type ClientConfig, clientConfigOf, type ClientFlags } from './client-config.ts'
import type { BucketPlace } from '../core/bucket-place.ts'
import { limits } from '../core/limits.ts'
import { manifestEntriesMax } from '../core/manifest/manifest.ts'
import type { ProjectAccess } from '../core/access/project-access.ts'
import type { ConflictPolicy } from '../core/policy/project-policy.ts'
import type { RetentionPolicy } from '../core/policy/retention.ts'
import { parseTrustedIssuers, type TrustedIssuer } from '../core/access/trusted-issuers.ts'
import { dayMs, formatExactDuration, hourMs } from '../core/units.ts'
import { defaultDataDir, loginsFile } from './default-directories.ts'
import { inheritedOf } from './inherited-environment.ts'
import { type Logins, readLogins } from './logins.ts'
import { readPackBucket } from './pack-bucket-settings.ts'
import { readGivenKeys } from './given-keys.ts'
import { type Environment, Settings } from './settings.ts'
import { readSingleSignOn, type SingleSignOnConfig } from './single-sign-on-settings.ts'

/** The settings of the server. */
export interface Config {
  /** Absolute. Holds `trove.db`, `secret.key`, `attestation.key`, `server.lock`, `server.url`,
   *  `server.holder`, `cas/`. */
  readonly dataDir: string
  /** The bucket that holds the packs; null: they are in `cas/` of the data directory. */
  readonly packBucket: BucketPlace | null
  /** What the files `secret.key` and `attestation.key` must hold, and are created from; null:
   *  whatever they hold. */
  readonly secretKey: Buffer | null
  readonly attestationKey: Buffer | null
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** Origin of links and signed URLs, without a trailing slash; null: the origin the request was
   *  sent to. */
  readonly publicUrl: string | null
  /** Origin on which documents of artifacts may run scripts. A host that begins with `*.` gives
   *  each artifact a host of its own. Null: documents are shown without scripts. */
  readonly contentUrl: string | null
  /** Upper bound on the logical bytes of one artifact and on the bytes of one upload. */
  readonly artifactBytesMax: number
  readonly entriesMax: number
  /** Per project. */
  readonly openUploadsMax: number
  readonly retention: Readonly<RetentionPolicy>
  /** How long a deletion can be undone; 0: not at all. */
  readonly undoMs: number
  /** How long records of ended artifacts and runs are kept. */
  readonly historyMs: number
  /** Time between two rounds of garbage collection; null: only by hand. */
  readonly gcIntervalMs: number | null
  /** Rate of background compaction; null: unlimited. */
  readonly compactBytesPerSecond: number | null
  /** Longest time between two verifications of a stored copy; null: scrub only by hand. */
  readonly scrubIntervalMs: number | null
  /** Read rate of background scrubbing; null: unlimited. */
  readonly scrubBytesPerSecond: number | null
  /** Least time between two metadata snapshots, if packs are in a bucket; null: only by hand. */
  readonly snapshotIntervalMs: number | null
  /** Time between two sends of what changed in the metadata since; null: nothing is acknowledged
   *  before its changes are sent. */
  readonly changesIntervalMs: number | null
  /** Whether a start on an empty data directory restores the store of the bucket; if so, packs and
   *  snapshots are in one. */
  readonly restore: boolean
  /** Whether artifacts are scanned for credentials in the background. */
  readonly secrets: boolean
  /** Upper bounds on logical bytes of live artifacts; null: none. */
  readonly projectQuotaBytes: number | null
  readonly storeQuotaBytes: number | null
  /** Free disk space below which uploads are rejected; null: `limits.minFreeBytes`, or a
   *  hundredth of a small disk. */
  readonly minFreeBytes: number | null
  /** What CreateArtifact does when the name is taken, in projects without a policy of their own. */
  readonly onConflict: ConflictPolicy
  /** Whether jobs may replace and delete only artifacts they made themselves, in projects
   *  without a policy of their own. */
  readonly strict: boolean
  /** Patterns of artifacts to keep as the latest (core/policy/keep-latest.ts), in projects without
   *  patterns of their own. */
  readonly keepLatest: readonly string[]
  /** What everyone may read, without a credential. */
  readonly publicProjects: readonly ProjectAccess[]
  /** Requests without a credential in progress. */
  readonly publicRequestsMax: number
  /** Issuers whose ID tokens are exchanged for tokens of this server; if there are any,
   *  `publicUrl` is set. */
  readonly trustedIssuers: readonly TrustedIssuer[]
  /** How people sign in through an identity provider; null: only with tokens. If set, `publicUrl`
   *  is too. */
  readonly singleSignOn: SingleSignOnConfig | null
  /** `exact`: a stock client's zip is returned byte for byte. `rebuild`: the server builds a zip
   *  of its own. */
  readonly stockZips: 'exact' | 'rebuild'
  /** Deflate level of streams that the server compresses itself, 0 to 9. */
  readonly compressionLevel: number
  readonly uploadUrlMs: number
  readonly downloadUrlMs: number
  /** A request or response body that makes no progress for this long is ended. */
  readonly idleMs: number
  /** Number of ingest worker threads. */
  readonly workers: number
  readonly logLevel: LogLevel
  /** Variables that look like settings but are none, such as misspelled ones. */
  readonly unknownVariables: readonly string[]
  /** The variables they may be misspellings of. */
  readonly knownVariables: readonly string[]
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Flags of `trove serve` and of commands that work on a data directory; absent ones fall back
 *  to the environment. */
export interface ServerFlags {
  data?: string | undefined
  host?: string | undefined
  port?: string | undefined
}

/** Returns the environment to pass to child processes. */
export function inheritedEnvironment(): Record<string, string> {
  return inheritedOf(process.env)
}

/** The device and inode of systemd's journal, if this process or a parent writes to it. */
export function journalStream(): string | undefined {
  return process.env['JOURNAL_STREAM']
}

/** Leaves one processor to the main thread and metadata. Measured with two processors: a second
 *  worker makes two concurrent tar uploads a tenth faster and native uploads no faster, and
 *  takes 45 MB. */
function defaultWorkers(): number {
  return Math.min(4, Math.max(1, availableParallelism() - 1))
}

/** Client settings, without their prefix. The server ignores them. */
const clientVariables = 'URL TOKEN TOKEN_FILE ID_TOKEN PROJECT RUN JOB CACHE_DIR RETRY'.split(' ')

/** Errors: ConfigError with all problems. */
export function readServerConfig(flags: ServerFlags, env: Environment = process.env): Config {
  const source = new Settings(env)
  const host = source.text('TROVE_HOST')
  const config = {
    dataDir: readDataDir(source, flags.data, env),
    packBucket: readPackBucket(source),
    ...readGivenKeys(source),
    host: flags.host ?? host ?? '127.0.0.1',
    port: source.integer('TROVE_PORT', 7878, 0, 65_535, { flag: '--port', text: flags.port }),
    publicUrl: source.ownOrigin('TROVE_PUBLIC_URL') ?? null,
    contentUrl: readContentUrl(source),
    artifactBytesMax: source.size('TROVE_MAX_ARTIFACT', limits.artifactBytesMax),
    entriesMax: source.integer('TROVE_MAX_ENTRIES', limits.entriesMax, 1, manifestEntriesMax),
    openUploadsMax: source.integer('TROVE_MAX_OPEN_UPLOADS', limits.openUploadsMax, 1, 10_000_000),
    retention: readRetention(source),
    undoMs: source.duration('TROVE_UNDO', limits.undoMs, 0, 30 * dayMs),
    // At least 30 days: the home page charts the uploads of 30 days.
    historyMs: source.integer('TROVE_HISTORY_DAYS', limits.historyMs / dayMs, 30, 36_500) * dayMs,
    gcIntervalMs: source.unless('TROVE_GC_INTERVAL', 'off', (name) =>
      source.duration(name, limits.gcIntervalMs, 1000, 7 * dayMs),
    ),
    compactBytesPerSecond: source.unless('TROVE_COMPACT_RATE', 'unlimited', (name) =>
      source.size(name, limits.compactBytesPerSecond),
    ),
    scrubIntervalMs: source.unless('TROVE_SCRUB_INTERVAL', 'off', (name) =>
      source.duration(name, limits.scrubIntervalMs, 60_000, 365 * dayMs),
    ),
    scrubBytesPerSecond: source.unless('TROVE_SCRUB_RATE', 'unlimited', (name) =>
      source.size(name, limits.scrubBytesPerSecond),
    ),
    snapshotIntervalMs: source.unless('TROVE_SNAPSHOT_INTERVAL', 'off', (name) =>
      source.duration(name, limits.snapshotIntervalMs, 60_000, 7 * dayMs),
    ),
    changesIntervalMs: source.unless('TROVE_CHANGES_INTERVAL', '0', (name) =>
      source.duration(name, limits.changesIntervalMs, 1000, dayMs / 24),
    ),
    restore: source.choice('TROVE_RESTORE', ['on', 'off'], 'off') === 'on',
    secrets: source.choice('TROVE_SECRETS', ['on', 'off'], 'on') === 'on',
    projectQuotaBytes: source.optionalSize('TROVE_PROJECT_QUOTA'),
    storeQuotaBytes: source.optionalSize('TROVE_STORE_QUOTA'),
    minFreeBytes: source.optionalSize('TROVE_MIN_FREE', 0),
    onConflict: source.choice('TROVE_ON_CONFLICT', ['reject', 'replace'], 'reject'),
    strict: source.choice('TROVE_STRICT', ['on', 'off'], 'off') === 'on',
    keepLatest: source.latestPatterns('TROVE_KEEP_LATEST'),
    publicProjects: source.publicProjects('TROVE_PUBLIC_PROJECTS'),
    publicRequestsMax: source.integer('TROVE_PUBLIC_REQUESTS', limits.visitorsMax, 1, 10_000),
    trustedIssuers: source.list('TROVE_OIDC', parseTrustedIssuers),
    singleSignOn: readSingleSignOn(source),
    stockZips: source.choice('TROVE_STOCK_ZIPS', ['exact', 'rebuild'], 'exact'),
    compressionLevel: source.integer('TROVE_COMPRESSION_LEVEL', 6, 0, 9),
    uploadUrlMs: source.duration(
      'TROVE_UPLOAD_URL_TTL',
      limits.uploadLifeMs,
      60_000,
      limits.uploadLifeMs,
    ),
    downloadUrlMs: source.duration(
      'TROVE_DOWNLOAD_URL_TTL',
      6 * hourMs,
      60_000,
      limits.signedUrlMsMax,
    ),
    idleMs: source.duration('TROVE_IDLE_TIMEOUT', limits.idleBodyMs, 1000, hourMs),
    workers: source.integer('TROVE_WORKERS', defaultWorkers(), 1, 64),
    logLevel: source.choice('TROVE_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], 'info'),
  } satisfies Omit<Config, 'knownVariables' | 'unknownVariables'>
  if (config.trustedIssuers.length > 0 && config.publicUrl === null) {
    source.refuse(
      'TROVE_OIDC',
      'requires TROVE_PUBLIC_URL, the audience that ID tokens must be issued for',
    )
  }
  if (config.singleSignOn !== null && config.publicUrl === null) {
    source.refuse(
      'TROVE_SSO_ISSUER',
      'requires TROVE_PUBLIC_URL, to which the provider sends people back',
    )
  }
  if (config.changesIntervalMs === null && source.text('TROVE_S3_BUCKET') === undefined)
    source.refuse('TROVE_CHANGES_INTERVAL', 'can be 0 only with TROVE_S3_BUCKET')
  if (config.changesIntervalMs === null && config.snapshotIntervalMs === null)
    source.refuse('TROVE_CHANGES_INTERVAL', 'can be 0 only with a TROVE_SNAPSHOT_INTERVAL')
  if (config.restore && source.text('TROVE_S3_BUCKET') === undefined)
    source.refuse('TROVE_RESTORE', 'can be on only with TROVE_S3_BUCKET')
  if (config.restore && config.snapshotIntervalMs === null)
    source.refuse('TROVE_RESTORE', 'can be on only with a TROVE_SNAPSHOT_INTERVAL')
  source.finish('TROVE_')
  // Otherwise the AWS SDK warns at each start, in each thread, about the Node version that future
  // releases will need. Set without a bucket too: `move-packs` reads the one that packs are in.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const { known, unknown } = source.variables('TROVE_', clientVariables)
  return Object.freeze({ ...config, knownVariables: known, unknownVariables: unknown })
}

function readContentUrl(source: Settings): string | null {
  const name = 'TROVE_CONTENT_URL'
  const origin = source.ownOrigin(name) ?? null
  if (origin !== null && origin === source.origin('TROVE_PUBLIC_URL')) {
    source.refuse(
      name,
      'must be a different origin than TROVE_PUBLIC_URL; the same one isolates nothing',
    )
  }
  // URL parsing accepts a `*` anywhere in the host.
  if (origin !== null && !/^https?:\/\/(?:\*\.)?[^*.][^*]*$/.test(origin)) {
    source.refuse(name, `may have a * only as the first label of its host, got ${origin}`)
  }
  return origin
}

function readRetention(source: Settings): Readonly<RetentionPolicy> {
  const retention = {
    defaultMs: source.integer('TROVE_RETENTION_DAYS', 90, 1, 36_500) * dayMs,
    minMs: source.duration('TROVE_RETENTION_MIN', hourMs, 0, 365 * dayMs),
    maxMs: source.integer('TROVE_RETENTION_MAX_DAYS', 400, 1, 36_500) * dayMs,
  }
  const { defaultMs, minMs, maxMs } = retention
  const [is, min, max] = [defaultMs, minMs, maxMs].map(formatExactDuration)
  if (minMs > maxMs) {
    source.refuse(
      'TROVE_RETENTION_MIN',
      `must not be above TROVE_RETENTION_MAX_DAYS (${max}), is ${min}`,
    )
  } else if (defaultMs < minMs || defaultMs > maxMs) {
    source.refuse(
      'TROVE_RETENTION_DAYS',
      `must lie between TROVE_RETENTION_MIN (${min}) and TROVE_RETENTION_MAX_DAYS (${max}), is ${is}`,
    )
  }
  return Object.freeze(retention)
}

/** Errors: ConfigError with all problems. */
export function readClientConfig(flags: ClientFlags, env: Environment = process.env): ClientConfig {
  return clientConfigOf(flags, env)
}

/** Like `readClientConfig`, for commands that users run: without a server or token in flags and
 *  environment, it uses what `trove login` stored. Errors: ConfigError, also for a logins file that
 *  is needed and cannot be used. */
export function readCommandConfig(
  flags: ClientFlags,
  env: Environment = process.env,
): ClientConfig {
  let logins: Logins | undefined
  return clientConfigOf(flags, env, () => (logins ??= readLogins(loginsFile(env))))
}

/** Where `trove login` stores tokens. Null without a home directory. */
export function readLoginsFile(): string | null {
  return loginsFile(process.env)
}

function readDataDir(source: Settings, flag: string | undefined, env: Environment): string {
  const own = source.text('TROVE_DATA')
  const directory = flag ?? own ?? defaultDataDir(env)
  if (directory === null)
    source.refuse('TROVE_DATA', 'must name a directory: there is no home directory')
  return resolve(directory ?? '')
}
