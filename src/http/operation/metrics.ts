/** Request counters of this process, and `/metrics` as Prometheus text (exposition format
 *  0.0.4). */
import type { ErrorCode } from '../../core/errors.ts'
import type { DiskFigures } from '../../lifecycle/disk-space.ts'
import type { JobTally } from '../../lifecycle/background/jobs.ts'
import type { StoreFigures } from '../../metadata/metadata.ts'

/** Groups of routes that are counted separately; a closed set, so the number of series is
 *  bounded. */
export type RouteGroup = 'actions' | 'blob' | 'api' | 'page' | 'operation'

/** How a request failed: with an expected error, because its client hung up, or by a bug. */
export type Failure = ErrorCode | 'aborted' | 'internal'

export interface RequestMetrics {
  begin(): void
  end(
    group: RouteGroup,
    status: number,
    outcome: { durationMs: number; failure?: Failure | undefined },
  ): void
  received(bytes: number): void
  sent(bytes: number): void
  render(state: MetricsState): string
}

/** Figures other than those of requests. */
export interface MetricsState {
  figures: StoreFigures
  disk: DiskFigures
  /** Whether the disk accepts writes. */
  isWritable: boolean
  /** How long the oldest change of the metadata has waited that is not in the bucket; 0 without
   *  one. */
  metadataLagMs: number
  jobs: readonly JobTally[]
}

/** Failures and jobs worth an alert. They are reported as 0 from the start, since Prometheus
 *  sees no increase in a series that just appeared. */
const watchedFailures: readonly Failure[] = [
  'blob_damaged',
  'internal',
  'quota_exceeded',
  'storage_failed',
  'storage_full',
]
const watchedJobs = ['backup', 'gc', 'scrub', 'snapshot']

interface Series {
  count: number
  durationMs: number
}

export function createRequestMetrics(): RequestMetrics {
  const requests = new Map<string, Series>()
  const failures = new Map(watchedFailures.map((code) => [code, 0]))
  let inFlight = 0
  let receivedBytes = 0
  let sentBytes = 0
  return {
    begin: () => {
      inFlight += 1
    },
    end: (group, status, { durationMs, failure }) => {
      inFlight -= 1
      if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1)
      const labels = `group="${group}",status="${Math.floor(status / 100)}xx"`
      const series = requests.get(labels) ?? { count: 0, durationMs: 0 }
      series.count += 1
      series.durationMs += durationMs
      requests.set(labels, series)
    },
    received: (bytes) => {
      receivedBytes += bytes
    },
    sent: (bytes) => {
      sentBytes += bytes
    },
    render: ({ figures, disk, isWritable, metadataLagMs, jobs }) =>
      [
        ...counter(
          'trove_requests_total',
          'Requests answered.',
          [...requests].map(([labels, { count }]) => [labels, count]),
        ),
        ...counter(
          'trove_request_seconds_total',
          'Time until the response headers were ready.',
          [...requests].map(([labels, { durationMs }]) => [labels, durationMs / 1000]),
        ),
        ...counter(
          'trove_failures_total',
          'Requests that failed or were rejected.',
          [...failures].map(([code, count]) => [`code="${code}"`, count]),
        ),
        ...gauge('trove_requests_in_flight', 'Requests being answered.', inFlight),
        ...counter('trove_received_bytes_total', 'Bytes of request bodies.', receivedBytes),
        ...counter('trove_sent_bytes_total', 'Bytes of responses, headers included.', sentBytes),
        ...Object.entries(figures).flatMap(([name, value]: [string, number]) =>
          gauge(`trove_store_${snakeCase(name)}`, figureHelp[name as keyof StoreFigures], value),
        ),
        ...gauge('trove_disk_free_bytes', 'Free bytes of the disk.', disk.freeBytes),
        ...gauge(
          'trove_disk_min_free_bytes',
          'Free bytes below which uploads are rejected.',
          disk.minFreeBytes,
        ),
        ...gauge(
          'trove_store_writable',
          'Whether the disk accepts writes (1) or has failed, is read-only or denies access (0).',
          Number(isWritable),
        ),
        ...gauge(
          'trove_metadata_lag_seconds',
          'How long the oldest change of the metadata has waited that is not in the bucket; +Inf: changes do not follow a snapshot; 0 without a bucket.',
          metadataLagMs / 1000,
        ),
        ...jobMetrics(jobs),
        '',
      ].join('\n'),
  }
}

const figureHelp: Record<keyof StoreFigures, string> = {
  artifacts: 'Live artifacts.',
  damagedArtifacts: 'Live artifacts with files that cannot be read.',
  files: 'Files of live artifacts.',
  logicalBytes: 'Bytes of all files of live artifacts.',
  removedBytes: 'Bytes of all files of deleted artifacts that still hold their content.',
  uniqueBytes: 'Bytes of distinct files.',
  chunkBytes: 'Bytes of distinct chunks and unchunked files.',
  storedBytes: 'Bytes of pack files.',
  packs: 'Pack files.',
  liveBytes: 'Pack bytes that hold live blobs.',
}

/** One number, or pairs of labels and numbers. */
type Values = number | Iterable<[string, number]>

function counter(name: string, help: string, values: Values): string[] {
  return metric(name, 'counter', help, values)
}

function gauge(name: string, help: string, values: Values): string[] {
  return metric(name, 'gauge', help, values)
}

function metric(name: string, type: string, help: string, values: Values): string[] {
  const lines =
    typeof values === 'number'
      ? [`${name} ${values === Infinity ? '+Inf' : values}`]
      : Array.from(values, ([labels, value]) => `${name}{${labels}} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines]
}

/** Outcomes of jobs, so that an operator notices maintenance that keeps failing. */
function jobMetrics(jobs: readonly JobTally[]): string[] {
  const outcome = (kind: string, word: string): string => `kind="${kind}",outcome="${word}"`
  const ends = new Map<string, number>()
  for (const kind of watchedJobs) {
    for (const word of ['done', 'failed']) ends.set(outcome(kind, word), 0)
  }
  const times = new Map<string, number>()
  for (const { kind, done, failed, lastDoneAt } of jobs) {
    ends.set(outcome(kind, 'done'), done)
    ends.set(outcome(kind, 'failed'), failed)
    if (lastDoneAt !== null) times.set(`kind="${kind}"`, lastDoneAt / 1000)
  }
  const help = 'Time of the last successful job since the server started, in seconds since 1970.'
  return [
    ...counter('trove_jobs_total', 'Maintenance jobs that ended.', ends),
    ...gauge('trove_job_last_success_seconds', help, times),
  ]
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
