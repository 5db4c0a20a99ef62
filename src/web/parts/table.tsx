/** Tables as all lists have them: a named region that scrolls sideways on its own, a caption, headings. */
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

/** `name` is said of the region, and as the caption unless one is to be seen. `rows` are those that keys move through. */
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

/** A way to another page. */
interface Way {
  /** Null where there is none. */
  href: string | null
  label: string
}

/** Ways to the pages before and after; nothing where there is neither. */
export function Pager({
  previous,
  next,
  at,
}: {
  previous?: Way
  next: Way
  /** Said between the two. */
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

function Step({ href, label, rel }: Way & { rel: 'prev' | 'next' }) {
  if (href === null) return <></>
  return (
    <a class="button" href={href} rel={rel}>
      {label}
    </a>
  )
}

/** The same for pages by number, of which there is one at least. */
export function NumberedPager({
  pageNumber,
  pageCount,
  hrefOf,
}: {
  pageNumber: number
  pageCount: number
  hrefOf(page: string): string
}): Html {
  const to = (number: number, label: string): Way => {
    const isThere = number >= 1 && number <= pageCount
    return { label, href: isThere ? hrefOf(String(number)) : null }
  }
  return (
    <Pager
      previous={to(pageNumber - 1, 'Back')}
      next={to(pageNumber + 1, 'More')}
      at={`Page ${pageNumber} of ${pageCount}`}
    />
  )
}
