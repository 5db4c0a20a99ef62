/** The box that narrows an artifact's files while one types. The manifest is fetched once, when the box is first used. */
import { announce } from './announce.ts'
import { bestMatches } from './fuzzy.ts'

const shownMax = 20

export function enhanceGoToFile(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-manifest]')
  const input = form?.querySelector<HTMLInputElement>('input[name=path]')
  const list = form?.querySelector<HTMLUListElement>('ul.found')
  const { manifest, blob } = form?.dataset ?? {}
  if (!form || !input || !list || manifest === undefined || blob === undefined) return
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
    const found = bestMatches(await (paths ??= fetchPaths(manifest)), typed, shownMax)
    hasPaths = true
    if (turn !== asked) return
    list.replaceChildren(...found.map((path) => itemOf(path, blob)))
    list.hidden = false
    if (found.length === 0) showText(list, 'No file matches.')
    announce(found.length === 0 ? 'No file matches' : `${found.length} files match`)
  }
  input.addEventListener('focus', () => {
    paths ??= fetchPaths(manifest)
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

async function fetchPaths(address: string): Promise<string[]> {
  const response = await fetch(address)
  if (!response.ok || response.body === null) return []
  const paths: string[] = []
  let rest = ''
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    const lines = (rest + chunk.value).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const entry = JSON.parse(line) as { kind: string; path: string }
      if (entry.kind === 'file') paths.push(entry.path)
    }
  }
  return paths
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
