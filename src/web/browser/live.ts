/** Refreshes parts of a page that change while it is open (`data-live`, with an id): fetches the
 *  page again and replaces them until the server marks them as ended, then replaces the parts
 *  that show the result (`data-afterwards`, with an id) once. Their state is announced to screen
 *  readers every few seconds, and at the end. */
import { announce } from './announce.ts'
import { fetchDocument } from './fetch-document.ts'

/** Unless a part asks for longer, in seconds (`data-every`). */
const everyMs = 1000
const announceEveryMs = 5000

export function enhanceLive(): void {
  if (liveParts().length > 0) void follow()
}

function liveParts(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[data-live][id]')]
}

async function follow(): Promise<void> {
  let announcedAt = 0
  for (let live = liveParts(); live.length > 0; live = liveParts()) {
    const waits = live.map(({ dataset }) => Number(dataset['every'] ?? 0) * 1000 || everyMs)
    await new Promise((resolve) => setTimeout(resolve, Math.min(...waits)))
    if (document.hidden) continue
    const page = await fetchDocument(location.href)
    // Retry while the server is unreachable.
    if (page === null) continue
    // Leave everything alone while the visitor selects text, perhaps to copy it.
    if (getSelection()?.type === 'Range') continue
    const ended: string[] = []
    const states: string[] = []
    for (const { id } of live) {
      const fresh = page.getElementById(id)
      refresh(id, fresh)
      if (fresh?.dataset['live'] === undefined) ended.push(fresh?.dataset['ended'] ?? '')
      else states.push(fresh.dataset['live'])
    }
    if (ended.length > 0) showResult(page)
    if (ended.length === 0 && Date.now() - announcedAt < announceEveryMs) continue
    announcedAt = Date.now()
    announce([...ended, ...states].filter(Boolean).join('. '))
  }
}

function refresh(id: string, fresh: HTMLElement | null): void {
  const shown = document.getElementById(id)
  // The page has lost the part, so nothing follows.
  if (fresh === null) shown?.removeAttribute('data-live')
  else if (shown !== null) replace(shown, fresh)
}

function showResult(page: Document): void {
  for (const part of page.querySelectorAll<HTMLElement>('[data-afterwards][id]')) {
    const stale = document.getElementById(part.id)
    if (stale !== null) replace(stale, part)
  }
}

/** Replaces a part, unless nothing changed. What the visitor opened, closed, scrolled or focused
 *  stays so if the new part contains it. */
function replace(shown: HTMLElement, fresh: HTMLElement): void {
  const next = document.importNode(fresh, true)
  /** Logs, and how far each is scrolled from its first line. */
  const scrolled: [log: HTMLElement, fromTop: number][] = []
  for (const fold of shown.querySelectorAll<HTMLDetailsElement>('[data-fold]')) {
    const same = next.querySelector<HTMLDetailsElement>(selectorOf(fold, 'data-fold'))
    if (same === null) continue
    same.open = fold.open
    const log = same.querySelector('pre')
    const before = fold.querySelector('pre')
    // At its end a log follows what is added (`tail` in the style sheet).
    if (log !== null && before !== null && before.scrollTop < 0)
      scrolled.push([log, before.scrollTop + before.scrollHeight - before.clientHeight])
  }
  if (next.isEqualNode(shown)) return
  const focused = shown.contains(document.activeElement) ? document.activeElement : null
  shown.replaceWith(next)
  for (const [log, fromTop] of scrolled)
    log.scrollTop = fromTop - log.scrollHeight + log.clientHeight
  if (focused === null) return
  const selector =
    focused.localName === 'summary'
      ? `${selectorOf(focused.parentElement!, 'data-fold')}>summary`
      : selectorOf(focused, 'href')
  next.querySelector<HTMLElement>(selector)?.focus()
}

function selectorOf(element: Element, attribute: string): string {
  return `[${attribute}="${CSS.escape(element.getAttribute(attribute) ?? '')}"]`
}
