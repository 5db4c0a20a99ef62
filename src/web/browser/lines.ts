/** Line links: `#L10` and `#L10-L20` highlight lines; Shift-click extends the range. Also shows
 *  the dimensions of images. */
import { announce } from './announce.ts'
import { fetchDocument } from './fetch-document.ts'

export function enhanceLines(): void {
  for (const picture of document.querySelectorAll<HTMLImageElement>('img[data-dimensions]')) {
    const showSize = (): void => {
      const caption = picture.closest('figure')?.querySelector('figcaption')
      if (caption && picture.naturalWidth > 0)
        caption.textContent = `${picture.naturalWidth} × ${picture.naturalHeight} pixels`
    }
    if (picture.complete) showSize()
    else picture.addEventListener('load', showSize)
  }
  const list = document.querySelector('[data-lines]')
  if (list === null) return
  list.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    const range = parseRange(location.hash)
    if (!(event instanceof MouseEvent) || !event.shiftKey || link === null || range === undefined)
      return
    event.preventDefault()
    const [, clicked] = /#L(\d+)/.exec(link.hash) ?? []
    const ends = [range.from, Number(clicked)].sort((a, b) => a - b)
    history.replaceState(null, '', `#L${ends[0]}-L${ends[1]}`)
    mark(list)
  })
  addEventListener('hashchange', () => {
    mark(list)
  })
  document.querySelector('[data-more]')?.addEventListener('click', (event) => {
    event.preventDefault()
    void showRest(list)
  })
  mark(list)
  const range = parseRange(location.hash)
  if (range !== undefined && document.getElementById(`L${range.to}`) === null) {
    void showRest(list).then(() => {
      mark(list)
      document.getElementById(`L${range.from}`)?.scrollIntoView()
    })
  }
}

/** Fetches the lines that the page omits, and replaces the shown ones too, since long lines
 *  among them are cut. */
async function showRest(list: Element): Promise<void> {
  const link = document.querySelector<HTMLAnchorElement>('a[data-more]')
  if (link === null) return
  const page = await fetchDocument(link.href)
  const lines = page?.querySelectorAll('[data-lines] > li')
  if (!lines) {
    location.assign(link.href)
    return
  }
  const shown = list.childElementCount
  list.replaceChildren(...[...lines].map((line) => document.importNode(line, true)))
  mark(list)
  const rest = page?.querySelector('[data-rest]')
  const note = document.querySelector('[data-rest]')
  if (rest) note?.replaceWith(document.importNode(rest, true))
  else note?.remove()
  announce(`${list.childElementCount} lines`)
  // Move the focus to the first new line, where reading continues.
  const next = Math.min(shown, list.childElementCount - 1)
  list.children[next]?.querySelector('a')?.focus()
}

function parseRange(hash: string): { from: number; to: number } | undefined {
  const [, from, to] = /^#L(\d{1,7})(?:-L(\d{1,7}))?$/.exec(hash) ?? []
  return from === undefined ? undefined : { from: Number(from), to: Number(to ?? from) }
}

function mark(list: Element): void {
  const range = parseRange(location.hash)
  for (const line of list.querySelectorAll('.marked')) line.classList.remove('marked')
  if (range === undefined) return
  for (let number = range.from; number <= Math.min(range.to, range.from + 10_000); number++)
    document.getElementById(`L${number}`)?.classList.add('marked')
  if (location.hash.includes('-')) document.getElementById(`L${range.from}`)?.scrollIntoView()
}
