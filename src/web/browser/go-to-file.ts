/** The box that narrows an artifact's files while one types. All paths are fetched once, when the box is first used. */
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
  let asked = 0
  const update = async (): Promise<void> => {
    const turn = ++asked
    const typed = input.value.trim()
    if (typed === '') {
      list.hidden = true
      return
    }
    if (!hasPaths) showText(list, 'Reading the names of all files…')
    let all: string[]
    try {
      all = await (paths ??= fetchPaths(address))
    } catch {
      paths = undefined
      showText(list, 'The names of the files cannot be read now.')
      return
    }
    const found = bestMatches(all, typed, shownMax)
    hasPaths = true
    if (turn !== asked) return
    list.replaceChildren(...found.map((path) => itemOf(path, blob)))
    list.hidden = false
    if (found.length === 0) showText(list, 'No file matches.')
    announce(
      found.length === 0
        ? 'No file matches'
        : found.length === 1
          ? '1 file matches'
          : `${found.length} files match`,
    )
  }
  input.addEventListener('focus', () => {
    // Whoever types is told when it fails.
    paths ??= fetchPaths(address)
    paths.catch(() => undefined)
  })
  input.addEventListener('input', () => void update())
  form.addEventListener('submit', (event) => {
    const first = list.hidden ? null : list.querySelector('a')
    if (first === null) return
    event.preventDefault()
    first.click()
  })
  form.addEventListener('keydown', (event) => {
    moveBetween(event, input, list)
  })
}

/** Arrow keys go through the list, Escape leaves it. */
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

/** Lines of lists; the last one is empty (artifact/path-list.ts). */
async function fetchPaths(address: string): Promise<string[]> {
  const response = await fetch(address)
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const lists = (await response.text())
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as string[])
  if (lists.at(-1)?.length !== 0) throw new Error('the list broke off')
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
