/** Links and images of Markdown: which targets are allowed, and where relative ones lead. */
import type { Child } from 'hono/jsx'
import { idOfFragment } from './heading-ids.ts'
import { previewKindOf } from './kind.ts'

export interface LinkTargets {
  /** Page of a path relative to the text's directory; undefined if the path leaves the artifact. */
  page(path: string): string | undefined
  /** Address of the file's content; undefined likewise. */
  raw(path: string): string | undefined
  /** Whether headings have ids and `#heading` leads to them. On a page with several texts, ids of
   *  one could be those of another. */
  hasHeadings?: true
}

export function anchor(children: Child, target: string, targets: LinkTargets): Child {
  const href = hrefOf(target, targets)
  if (href === undefined) return <span>{children}</span>
  return (
    <a href={href} rel="noreferrer nofollow ugc">
      {children}
    </a>
  )
}

export function image(alt: string, target: string, targets: LinkTargets): Child {
  if (isExternal(target)) return anchor(alt === '' ? target : alt, target, targets)
  const source = /^[a-z][a-z0-9+.-]*:/i.test(target) ? undefined : targets.raw(decoded(target))
  return source === undefined ? <span>{alt}</span> : <img src={source} alt={alt} loading="lazy" />
}

function isExternal(target: string): boolean {
  return /^https?:\/\//i.test(target)
}

/** Allows only web addresses, paths within the artifact with a heading or a line, and headings of
 *  the text: no `javascript:`, no `data:`, no other fragments of a page. */
function hrefOf(target: string, targets: LinkTargets): string | undefined {
  if (isExternal(target)) return target
  if (target.startsWith('#') && targets.hasHeadings === true) return headingOf(target)
  if (target.startsWith('#') || target.startsWith('//') || /^[a-z][a-z0-9+.-]*:/i.test(target))
    return undefined
  const path = decoded(target)
  const page = targets.page(path)
  if (page === undefined) return undefined
  if (previewKindOf(path) === 'markdown') return page + (headingOf(target) ?? '')
  return page + (/#L\d+$/.exec(target)?.[0] ?? '')
}

/** The fragment of the heading that a target names; undefined if it names none. */
function headingOf(target: string): string | undefined {
  const [, fragment] = /#(.+)$/s.exec(target) ?? []
  return fragment && `#${encodeURIComponent(idOfFragment(unescaped(fragment)))}`
}

function decoded(target: string): string {
  return unescaped(target.replace(/[?#].*$/, ''))
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
