/** Parts of a page that go on while somebody looks (`data-live`, with an id): fetched again and put in place, until the
 *  server says that they are over; then those that say what came of it (`data-afterwards`, with an id) once. What is said
 *  of them is told to screen readers now and then, and at the end. */
import { announce } from './announce.ts'
import { fetchDocument } from './fetch-document.ts'

const everyMs = 1000
const announceEveryMs = 5000

export function enhanceLive(): void {
  for (const part of document.querySelectorAll<HTMLElement>('[data-live][id]')) void follow(part.id)
}

async function follow(id: string): Promise<void> {
  let announcedAt = 0
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, everyMs))
    if (document.hidden) continue
    const shown = document.getElementById(id)
    const page = await fetchDocument(location.href)
    const fresh = page?.getElementById(id)
    // A server that is away for a moment is asked again; a page that has lost the part has nothing more to tell.
    if (shown === null || fresh === null) return
    if (page === null || fresh === undefined) continue
    if (!fresh.isEqualNode(shown)) replace(shown, fresh)
    const { live, ended } = fresh.dataset
    if (live === undefined) {
      for (const part of page.querySelectorAll<HTMLElement>('[data-afterwards][id]')) {
        const stale = document.getElementById(part.id)
        if (stale !== null) replace(stale, part)
      }
      announce(ended ?? '')
      return
    }
    if (Date.now() - announcedAt < announceEveryMs) continue
    announcedAt = Date.now()
    announce(live)
  }
}

/** What had the focus keeps it, when it is still there. */
function replace(shown: HTMLElement, fresh: HTMLElement): void {
  const focused = shown.contains(document.activeElement) ? document.activeElement : null
  const href = focused?.getAttribute('href')
  const next = document.importNode(fresh, true)
  shown.replaceWith(next)
  if (typeof href === 'string')
    next.querySelector<HTMLElement>(`a[href="${CSS.escape(href)}"]`)?.focus()
}
