/** Refreshes parts of a page that change while it is open (`data-live`, with an id): fetches the
 *  page again and replaces them until the server marks them as ended, then replaces the parts
 *  that show the result (`data-afterwards`, with an id) once. Their state is announced to screen
 *  readers every few seconds, and at the end. */
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
    // Retry while the server is unreachable; stop if the page no longer has the part.
    if (shown === null || fresh === null) return
    if (page === null || fresh === undefined) continue
    if (!fresh.isEqualNode(shown)) replace(shown, fresh)
    const { live, ended } = fresh.dataset
    if (live === undefined) {
      showResult(page)
      announce(ended ?? '')
      return
    }
    if (Date.now() - announcedAt < announceEveryMs) continue
    announcedAt = Date.now()
    announce(live)
  }
}

function showResult(page: Document): void {
  for (const part of page.querySelectorAll<HTMLElement>('[data-afterwards][id]')) {
    const stale = document.getElementById(part.id)
    if (stale !== null) replace(stale, part)
  }
}

/** Replaces a part. A focused link keeps the focus if the new part contains it. */
function replace(shown: HTMLElement, fresh: HTMLElement): void {
  const focused = shown.contains(document.activeElement) ? document.activeElement : null
  const href = focused?.getAttribute('href')
  const next = document.importNode(fresh, true)
  shown.replaceWith(next)
  if (typeof href === 'string')
    next.querySelector<HTMLElement>(`a[href="${CSS.escape(href)}"]`)?.focus()
}
