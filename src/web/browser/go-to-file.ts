/** The box "Go to file", which filters the files of an artifact while the visitor types. All
 *  paths are fetched once, when the box is first used. */
import { announce } from './announce.ts'
import { bestMatches } from './fuzzy.ts'

const shownMax = 20

export function enhanceGoToFile(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-paths]')
  const input = form?.querySelector<HTMLInputElement>('input[name=path]')
  const list = form?.querySelector<HTMLUListElement>('ul.found')
  const { paths: address, blob } = form?.dataset ?? {}
  if (!form || !input || !list || address === undefined || blob === undefined) return
  let paths: Promise<string[]> | undefined
  let hasPaths = false
  let lastTurn = 0
  const update = async (): Promise<void> => {
    const turn = ++lastTurn
    const typed = input.value.trim()
    if (typed === '') {
      list.hidden = true
      return
    }
    if (!hasPaths) showText(list, 'Loading file names…')
    let all: string[]
    try {
      all = await (paths ??= fetchPaths(address))
    } catch {
      paths = undefined
      showText(list, 'Could not load the file names. Type again to retry.')
      return
    }
    const found = bestMatches(all, typed, shownMax)
    hasPaths = true
    if (turn !== lastTurn) return
    list.replaceChildren(...found.map((path) => itemOf(path, blob)))
    list.hidden = false
    const said = found.length === 1 ? '1 file matches' : `${found.length || 'No'} files match`
    if (found.length === 0) showText(list, `${said}.`)
    announce(said)
  }
  input.addEventListener('focus', () => {
    // A failure is reported once the visitor types.
    paths ??= fetchPaths(address)
    paths.catch(() => undefined)
  })
  input.addEventListener('input', () => void update())
  form.addEventListener('submit', (event) => {
    // While the names load, the server looks for the exact path.
    if (list.hidden || !hasPaths) return
    event.preventDefault()
    list.querySelector('a')?.click()
  })
  form.addEventListener('keydown', (event) => {
    moveBetween(event, input, list)
  })
}

/** Arrow keys move through the list, Escape closes it. */
function moveBetween(event: KeyboardEvent, input: HTMLInputElement, list: HTMLUListElement): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
  if (event.key === 'Escape') {
    list.hidden = true
    input.focus()
  }
  if (step === 0 || list.hidden) return
  event.preventDefault()
  const stops: HTMLElement[] = [input, ...list.querySelectorAll('a')]
  const at = stops.indexOf(document.activeElement as HTMLElement)
  stops[(at + step + stops.length) % stops.length]?.focus()
}

/** Each line is an array of paths; an empty array marks the end (artifact/path-list.ts). */
async function fetchPaths(address: string): Promise<string[]> {
  const response = await fetch(address)
  if (!response.ok) throw new Error(`the server responded with ${response.status}`)
  const lists = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as string[])
  if (lists.at(-1)?.length !== 0) throw new Error('the list is truncated')
  return lists.flat()
}

function showText(list: HTMLUListElement, text: string): void {
  const item = document.createElement('li')
  item.textContent = text
  list.replaceChildren(item)
  list.hidden = false
}

function itemOf(path: string, blob: string): HTMLLIElement {
  const link = document.createElement('a')
  link.href = blob + path.split('/').map(encodeURIComponent).join('/')
  link.textContent = path
  const item = document.createElement('li')
  item.append(link)
  return item
}
