/** The table that all lists use: a named region that scrolls sideways on its own, a caption,
 *  headings; and pagers. */
import type { Child } from 'hono/jsx'
import type { Html } from './html.ts'

export interface Column {
  label: string
  /** Right-aligned. */
  isNumber?: boolean
  sorted?: 'ascending' | 'descending' | undefined
}

/** A column of figures. */
export function figures(label: string, sorted?: Column['sorted']): Column {
  return { label, isNumber: true, sorted }
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

function Heading({ label, isNumber, sorted }: Column) {
  return (
    <th scope="col" class={isNumber === true ? 'number' : undefined} aria-sort={sorted}>
      {label}
    </th>
  )
}

/** A link to another page. */
interface PageLink {
  /** Null if there is no such page. */
  href: string | null
  label: string
}

/** Links to the previous and the next page; empty if there is neither. */
export function Pager({
  previous,
  next,
  at,
}: {
  previous?: PageLink
  next: PageLink
  /** Text between the two. */
  at?: string | undefined
}): Html {
  if ((previous?.href ?? next.href) === null) return <></>
  return (
    <nav class="buttons" aria-label="Pages">
      {previous !== undefined && <Step {...previous} rel="prev" />}
      {at !== undefined && <span>{at}</span>}
      <Step {...next} rel="next" />
    </nav>
  )
}

function Step({ href, label, rel }: PageLink & { rel: 'prev' | 'next' }) {
  if (href === null) return <></>
  return (
    <a class="button" href={href} rel={rel}>
      {label}
    </a>
  )
}

/** A pager for numbered pages, of which there is at least one. */
export function NumberedPager({
  pageNumber,
  pageCount,
  hrefOf,
}: {
  pageNumber: number
  pageCount: number
  hrefOf(page: string): string
}): Html {
  const linkTo = (number: number, label: string): PageLink => {
    const exists = number >= 1 && number <= pageCount
    return { label, href: exists ? hrefOf(String(number)) : null }
  }
  return (
    <Pager
      previous={linkTo(pageNumber - 1, 'Previous')}
      next={linkTo(pageNumber + 1, 'Next')}
      at={`Page ${pageNumber} of ${pageCount}`}
    />
  )
}
