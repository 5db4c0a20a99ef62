/** Charts as plain SVG. The figures are also in text beside each chart, for readers who cannot
 *  see it. */
import type { Child } from 'hono/jsx'
import { formatSizeBytes, formatShare } from '../../core/units.ts'
import type { Html } from './html.ts'
import { figures, Table } from './table.tsx'

export function Sparkline({ values, label }: { values: number[]; label: string }): Html {
  const top = Math.max(1, ...values)
  const total = values.reduce((sum, value) => sum + value, 0)
  return (
    <svg viewBox={`0 0 ${values.length * 4} 24`} width="120" height="24" role="img">
      <title>{`${label}: ${formatSizeBytes(total)} in ${values.length} days`}</title>
      <path class="spark-none" d={`M0 23.5H${values.length * 4 - 1}`} />
      <path
        class="spark-bar"
        d={values.map((value, index) => barOf(value / top, index)).join('')}
      />
    </svg>
  )
}

/** Path of the bar for the day at `index`, with `share` of the height; empty for a share of 0. */
function barOf(share: number, index: number): string {
  if (share === 0) return ''
  const height = Math.max(1, share * 24).toFixed(1)
  return `M${index * 4} 24v-${height}h3v${height}z`
}

export interface Bar {
  label: Child
  bytes: number
  /** The figure as text; by default the size. */
  note?: string
  style?: string
}

/** A table with bars: the figure is text, the bar is decoration. Bars are scaled to the largest
 *  magnitude. */
export function BarTable({
  caption,
  first,
  second,
  bars,
}: {
  caption: string
  first: string
  second: string
  bars: Bar[]
}): Html {
  const top = Math.max(1, ...bars.map(({ bytes }) => Math.abs(bytes)))
  return (
    <Table name={caption} caption={caption} style="bars" columns={[first, figures(second)]}>
      {bars.map(({ label, bytes, note, style }) => (
        <tr>
          <th scope="row">{label}</th>
          <td class="number">{note ?? formatSizeBytes(bytes)}</td>
          <td class="bar-cell">
            <svg
              viewBox="0 0 100 10"
              preserveAspectRatio="none"
              aria-hidden="true"
              focusable="false"
            >
              <rect
                width={(Math.abs(bytes) / top) * 100}
                height="10"
                class={style ?? (bytes < 0 ? 'bar-less' : 'bar-more')}
              />
            </svg>
          </td>
        </tr>
      ))}
    </Table>
  )
}

/** One bar that splits a total into its parts, with a legend. */
export function LayerBar({
  parts,
}: {
  parts: { name: string; style: string; bytes: number }[]
}): Html {
  const total = Math.max(
    1,
    parts.reduce((sum, { bytes }) => sum + Math.max(0, bytes), 0),
  )
  let at = 0
  return (
    <figure class="chart">
      <svg
        viewBox="0 0 100 6"
        class="layers"
        preserveAspectRatio="none"
        aria-hidden="true"
        focusable="false"
      >
        {parts.map(({ style, bytes }) => {
          const width = (Math.max(0, bytes) / total) * 100
          const bar = <rect x={at} width={width} height="6" class={style} />
          at += width
          return bar
        })}
      </svg>
      <dl class="layer-list">
        {parts.map(({ name, style, bytes }) => (
          <div>
            <dt>
              <svg viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" focusable="false">
                <rect width="10" height="10" class={style} />
              </svg>{' '}
              {name}
            </dt>
            <dd>
              {formatSizeBytes(bytes)} <span class="quiet">{formatShare(bytes, total)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </figure>
  )
}
