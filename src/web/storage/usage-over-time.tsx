/** Usage over time: its chart, and a forecast of when the disk or the quota will be full. */
import { dayMs, formatSizeBytes, counted, hourMs } from '../../core/units.ts'
import type { UsagePoint } from '../../metadata/metadata.ts'
import { daysUntilFull, growthOf } from '../../stats/forecast.ts'
import type { Html } from '../parts/html.ts'
import { LineChart, type Series } from '../parts/line-chart.tsx'

export interface UsageOverTimeView {
  /** Oldest first; the last point is the current usage. */
  points: UsagePoint[]
  /** How many bytes packs can grow; Infinity without a bound; null if packs are not shown. */
  freeBytes: number | null
  /** Quota on the logical bytes; null without one. */
  quotaBytes: number | null
  now: number
}

export function UsageOverTime(view: UsageOverTimeView): Html {
  return (
    <section aria-labelledby="over-time">
      <h2 id="over-time">Over time</h2>
      {spanOf(view.points) >= chartFromMs && <UsageChart {...view} />}
      <Forecast {...view} />
    </section>
  )
}

/** Shorter histories get no chart. */
const chartFromMs = hourMs

function spanOf(points: UsagePoint[]): number {
  return (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0)
}

function UsageChart({ points, freeBytes }: UsageOverTimeView) {
  const hasPacks = freeBytes !== null
  const series: Series[] = [
    { name: 'Logical: size of artifacts', style: 's1' },
    { name: 'Unique: after deduplication', style: 's3' },
    ...(hasPacks ? [{ name: 'Stored: pack files', style: 's2' }] : []),
  ]
  const valuesOf = ({ logicalBytes, chunkBytes, storedBytes }: UsagePoint): number[] => [
    logicalBytes,
    chunkBytes,
    ...(hasPacks ? [storedBytes] : []),
  ]
  const isShort = spanOf(points) < 3 * dayMs
  const label = (at: number): string =>
    new Date(at)
      .toISOString()
      .slice(0, isShort ? 16 : 10)
      .replace('T', ' ')
  return (
    <LineChart
      title={`Size of artifacts, ${hasPacks ? 'after deduplication, and on disk' : 'and after deduplication'}`}
      series={series}
      points={points.map((point) => ({
        x: point.at,
        label: label(point.at),
        values: valuesOf(point),
      }))}
      table={{
        first: 'UTC',
        rows: (isShort ? points : lastOfDays(points))
          .map((point) => ({ head: label(point.at), values: valuesOf(point) }))
          .toReversed(),
      }}
    />
  )
}

function lastOfDays(points: UsagePoint[]): UsagePoint[] {
  const day = (point: UsagePoint | undefined): number => Math.floor((point?.at ?? 0) / dayMs)
  return points.filter((point, index) => day(points[index + 1]) !== day(point))
}

/** Growth and forecast, once there is enough history. */
function Forecast({ points, freeBytes, quotaBytes, now }: UsageOverTimeView) {
  const growthBy = (bytesOf: (point: UsagePoint) => number) =>
    growthOf(
      points.map((point) => ({ at: point.at, bytes: bytesOf(point) })),
      now,
    )
  const stored = growthBy(({ storedBytes }) => storedBytes)
  const logical = growthBy(({ logicalBytes }) => logicalBytes)
  if (stored === undefined || logical === undefined) {
    return <p class="quiet">The forecast will appear after a day of recorded usage.</p>
  }
  const used = points.at(-1)?.logicalBytes ?? 0
  const over = `over the last ${counted(Math.round(logical.days), 'day')}`
  const rate = (bytesPerDay: number): string =>
    bytesPerDay === 0
      ? 'did not change'
      : `${bytesPerDay > 0 ? 'grew' : 'shrank'} by ${formatSizeBytes(Math.round(Math.abs(bytesPerDay)))} a day`
  return (
    <>
      {freeBytes !== null && (
        <p>
          Packs {rate(stored.bytesPerDay)} {over}.{' '}
          {Number.isFinite(freeBytes) && fullIn('The disk', daysUntilFull(freeBytes, stored))}
        </p>
      )}
      <p>
        Artifacts {rate(logical.bytesPerDay)} {over}.{' '}
        {quotaBytes !== null &&
          fullIn(
            `The quota of ${formatSizeBytes(quotaBytes)}`,
            daysUntilFull(quotaBytes - used, logical),
          )}
      </p>
    </>
  )
}

function fullIn(what: string, days: number | null): string {
  if (days === null) return `${what} will not fill up at this rate.`
  if (days > 3650) return `${what} will last more than ten years at this rate.`
  return days === 0
    ? `${what} will be full within a day.`
    : `${what} will be full in ${counted(days, 'day')}.`
}
