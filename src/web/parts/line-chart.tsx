/** Line charts as plain SVG, with a table of the figures below. A line stays level until its
 *  next point, because the amount stored stays the same until something changes it. */
import type { Child } from 'hono/jsx'
import { formatSizeBytes } from '../../core/units.ts'
import type { Html } from './html.ts'
import { figures, Table } from './table.tsx'

export interface Series {
  name: string
  /** `s1` to `s3`: colour and dash. */
  style: string
}

export interface ChartPoint {
  /** Horizontal position; points are sorted by it. */
  x: number
  /** Shown below the chart, for the first and the last point. */
  label: string
  /** Bytes, one value per series; null where a series has none. */
  values: (number | null)[]
  /** Target and tooltip of the link on the point of the first series. */
  link?: { href: string; title: string }
}

interface PlotView {
  title: string
  series: Series[]
  points: ChartPoint[]
}

export interface LineChartView extends PlotView {
  table: {
    /** Heading of the first column. */
    first: string
    rows: { head: Child; values: (number | null)[] }[]
  }
}

const [width, height, bottom, top] = [720, 240, 28, 24]
/** Shares of the largest value at which there is a grid line with a label. */
const marks = [0, 0.5, 1]

export function LineChart({ table, ...plot }: LineChartView): Html {
  return (
    <figure class="chart">
      <LinePlot {...plot} />
      <Figures title={plot.title} series={plot.series} table={table} />
    </figure>
  )
}

/** The lines and their legend, inside a figure. If points are links, the table below has the
 *  same links, for keyboards and screen readers. */
export function LinePlot({ title, series, points }: PlotView): Html {
  const [from, to] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0]
  const most = Math.max(1, ...points.flatMap(({ values }) => values.map((value) => value ?? 0)))
  const x = (at: number): number => ((at - from) / Math.max(1, to - from)) * width
  const y = (value: number): number => top + (1 - value / most) * (height - bottom - top)
  const role = points.some(({ link }) => link !== undefined)
    ? { 'aria-hidden': 'true' as const }
    : { role: 'img', 'aria-label': `${title}; the table below has the figures` }
  return (
    <>
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} focusable="false" {...role}>
        {marks.map((share) => (
          <line x1="0" x2={width} y1={y(most * share)} y2={y(most * share)} class="grid" />
        ))}
        {series.map(({ style }, index) => (
          <path d={pathOf(distinctIn(points, x), index, { x, y })} class={`line ${style}`} />
        ))}
        {points.map((point) => (
          <PointLink {...point} cx={x(point.x)} cy={y(point.values[0] ?? 0)} />
        ))}
        {marks.map((share) => (
          <text x="0" y={y(most * share) - 5}>
            {formatSizeBytes(Math.round(most * share))}
          </text>
        ))}
        <XLabels points={points} x={x} />
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
    </>
  )
}

function PointLink({ link, cx, cy }: ChartPoint & { cx: number; cy: number }) {
  if (link === undefined) return <></>
  return (
    <a href={link.href} tabindex={-1}>
      <title>{link.title}</title>
      <circle cx={cx.toFixed(1)} cy={cy.toFixed(1)} r="5" />
    </a>
  )
}

function XLabels({ points, x }: { points: ChartPoint[]; x(at: number): number }) {
  const [first, last] = [points[0], points.at(-1)]
  if (first === undefined || last === undefined) return <></>
  return (
    <>
      <text x="0" y={height - 6}>
        {first.label}
      </text>
      {last.label !== first.label && (
        <text x={x(last.x)} y={height - 6} text-anchor="end">
          {last.label}
        </text>
      )}
    </>
  )
}

/** Keeps the last of the points that fall on the same position: hourly samples over months are
 *  more than can be seen. */
function distinctIn(points: ChartPoint[], x: (at: number) => number): ChartPoint[] {
  const place = (point: ChartPoint | undefined) =>
    point === undefined ? null : Math.round(x(point.x) / 2)
  return points.filter((point, index) => place(point) !== place(points[index + 1]))
}

/** Path of one series: level up to the next point's position, then vertical to its value. */
function pathOf(
  points: ChartPoint[],
  series: number,
  scale: { x(at: number): number; y(value: number): number },
): string {
  let path = ''
  for (const point of points) {
    const value = point.values[series] ?? null
    if (value === null) continue
    const [x, y] = [scale.x(point.x).toFixed(1), scale.y(value).toFixed(1)]
    path += path === '' ? `M${x} ${y}` : `H${x}V${y}`
  }
  return path
}

function Figures({ title, series, table }: Pick<LineChartView, 'title' | 'series' | 'table'>) {
  return (
    <details>
      <summary>Figures</summary>
      <Table
        name={title}
        style=""
        columns={[table.first, ...series.map((each) => figures(each.name))]}
      >
        {table.rows.map(({ head, values }) => (
          <tr>
            <th scope="row">{head}</th>
            {values.map((value) => (
              <td class="number">{value === null ? '–' : formatSizeBytes(value)}</td>
            ))}
          </tr>
        ))}
      </Table>
    </details>
  )
}
