/** The table that all lists use: a named region that scrolls sideways on its own, a caption,
 *  headings; and pagers. */
import type { Child } from 'hono/jsx'
import type { Html } from './html.ts'
import { formatCount } from '../../core/units.ts'

export interface Column {
  label: string
  /** Right-aligned. */
  isNumber?: boolean
  sorted?: 'ascending' | 'descending' | undefined
  /** Address of the same list sorted by this column. */
  href?: string
}

/** A column of figures. */
export function figures(label: string, sorting?: Pick<Column, 'sorted' | 'href'>): Column {
  return { label, isNumber: true, ...sorting }
}

/** `name` labels the region, and is the hidden caption unless `caption` gives a visible one.
 *  With the style `rows`, single keys move through the rows. */
export function Table({
  name,
  caption,
  columns,
  lead,
  style = 'rows',
  children,
}: {
  name: string
  caption?: string
  columns: readonly (string | Column)[]
  /** A cell before the headings. */
  lead?: Child
  style?: string
  children?: Child
}): Html {
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={name}>
      <table class={style}>
        {caption === undefined ? (
          <caption class="unseen">{name}</caption>
        ) : (
          <caption>{caption}</caption>
        )}
        <thead>
          <tr>
            {lead}
            {columns.map((column) => (
              <Heading {...(typeof column === 'string' ? { label: column } : column)} />
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}

function Heading({ label, isNumber, sorted, href }: Column) {
  return (
    <th scope="col" class={isNumber === true ? 'number' : undefined} aria-sort={sorted}>
      {href === undefined ? label : <a href={href}>{label}</a>}
    </th>
  )
}

/** A link to the next page of a list; empty on the last page. */
export function NextPage({
  href,
  label,
}: {
  /** Null on the last page. */
  href: string | null
  label: string
}): Html {
  if (href === null) return <></>
  return (
    <nav class="buttons" aria-label="Pages">
      <a class="button" href={href} rel="next">
        {label}
      </a>
    </nav>
  )
}

/** A pager for numbered pages; empty unless there are several. */
export function NumberedPager({
  pageNumber,
  pageCount,
  hrefOf,
}: {
  pageNumber: number
  pageCount: number
  hrefOf(page: string): string
}): Html {
  if (pageCount < 2) return <></>
  return (
    <nav class="buttons" aria-label="Pages">
      {pageNumber > 1 && (
        <a class="button" href={hrefOf(String(pageNumber - 1))} rel="prev">
          Previous
        </a>
      )}
      <span>
        Page {formatCount(pageNumber)} of {formatCount(pageCount)}
      </span>
      {pageNumber < pageCount && (
        <a class="button" href={hrefOf(String(pageNumber + 1))} rel="next">
          Next
        </a>
      )}
    </nav>
  )
}
