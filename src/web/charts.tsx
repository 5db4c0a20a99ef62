/** Charts as plain SVG, drawn here; the figures are in a table beside each, for those who read rather than look. */
import type { Child } from 'hono/jsx'
import { formatSizeBytes } from '../core/units.ts'
import { formatShare } from './format.tsx'
import type { Html } from './html.ts'

export function Sparkline({ values, label }: { values: number[]; label: string }): Html {
  const top = Math.max(1, ...values)
  const total = values.reduce((sum, value) => sum + value, 0)
  return (
    <svg class="spark" viewBox={`0 0 ${values.length * 4} 24`} width="120" height="24" role="img">
      <title>{`${label}: ${formatSizeBytes(total)} in ${values.length} days`}</title>
      {values.map((value, index) => (
        <rect
          x={index * 4}
          width="3"
          y={24 - Math.max(1, (value / top) * 24)}
          height={Math.max(1, (value / top) * 24)}
          class={value === 0 ? 'spark-none' : 'spark-bar'}
        />
      ))}
    </svg>
  )
}

export interface Series {
  name: string
  /** `s1` to `s4`: colour and dash. */
  style: string
  values: number[]
}

/** Lines over days. All series have one value for each label. */
export function LineChart({
  title,
  labels,
  series,
}: {
  title: string
  labels: string[]
  series: Series[]
}): Html {
  const [width, height, left, bottom] = [720, 220, 64, 24]
  const top = Math.max(1, ...series.flatMap(({ values }) => values))
  const x = (index: number): number =>
    left + (index / Math.max(1, labels.length - 1)) * (width - left - 8)
  const y = (value: number): number => 8 + (1 - value / top) * (height - bottom - 8)
  const line = (values: number[]): string =>
    values.map((value, index) => `${x(index).toFixed(1)},${y(value).toFixed(1)}`).join(' ')
  const middle = Math.floor(labels.length / 2)
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`${title}; the table below has the figures`}
      >
        {[0, 0.5, 1].map((share) => (
          <>
            <line x1={left} x2={width - 8} y1={y(top * share)} y2={y(top * share)} class="grid" />
            <text x={left - 6} y={y(top * share) + 4} text-anchor="end">
              {formatSizeBytes(Math.round(top * share))}
            </text>
          </>
        ))}
        {[0, middle, labels.length - 1].map((index) => (
          <text
            x={x(index)}
            y={height - 6}
            text-anchor={index === 0 ? 'start' : index === middle ? 'middle' : 'end'}
          >
            {labels[index]}
          </text>
        ))}
        {series.map(({ style, values }) => (
          <polyline points={line(values)} class={`line ${style}`} />
        ))}
      </svg>
      <ul class="legend">
        {series.map(({ name, style }) => (
          <li>
            <svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true" focusable="false">
              <line x1="0" x2="24" y1="4" y2="4" class={`line ${style}`} />
            </svg>
            {name}
          </li>
        ))}
      </ul>
      <FigureTable title={title} labels={labels} series={series} />
    </figure>
  )
}

function FigureTable({
  title,
  labels,
  series,
}: {
  title: string
  labels: string[]
  series: Series[]
}) {
  // Newest first, and only days on which something changed.
  const days = labels
    .map((_, index) => index)
    .filter(
      (index) => index === 0 || series.some(({ values }) => values[index] !== values[index - 1]),
    )
    .reverse()
  return (
    <details>
      <summary>Figures</summary>
      <table>
        <caption class="unseen">{title}</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            {series.map(({ name }) => (
              <th scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days.map((index) => (
            <tr>
              <th scope="row">{labels[index]}</th>
              {series.map(({ values }) => (
                <td class="number">{formatSizeBytes(values[index] ?? 0)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  )
}

export interface Bar {
  label: Child
  bytes: number
  /** Said behind the bar; the size when absent. */
  note?: string
  style?: string
}

/** Bars in a table: the figure is text, the bar is decoration. Lengths by the largest magnitude. */
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
    <div class="scroll" tabindex={0} role="region" aria-label={caption}>
      <table class="bars">
        <caption>{caption}</caption>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            <th scope="col" class="number">
              {second}
            </th>
            <td></td>
          </tr>
        </thead>
        <tbody>
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
        </tbody>
      </table>
    </div>
  )
}

/** What became of the logical bytes, as one bar: each layer takes its share away. */
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
