/** Links and images of Markdown: which targets are allowed, and where relative ones lead. */
import type { Child } from 'hono/jsx'

export interface LinkTargets {
  /** Page of a path relative to the text's directory; undefined if the path leaves the artifact. */
  page(path: string): string | undefined
  /** Address of the file's content; undefined likewise. */
  raw(path: string): string | undefined
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

/** Allows only web addresses and paths within the artifact: no `javascript:`, no `data:`, no
 *  fragments of the page. */
function hrefOf(target: string, targets: LinkTargets): string | undefined {
  if (isExternal(target)) return target
  if (target.startsWith('#') || target.startsWith('//') || /^[a-z][a-z0-9+.-]*:/i.test(target))
    return undefined
  return targets.page(decoded(target))
}

function decoded(target: string): string {
  const path = target.replace(/[?#].*$/, '')
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
