/** Single-key shortcuts, which the visitor can turn off (WCAG 2.1.4). They never act inside
 *  fields or with Ctrl, Alt or Meta, and none of them deletes anything. */
import { showDialog } from './dialogs.ts'

const setting = 'trove-keys'
let areOn = true
try {
  areOn = localStorage.getItem(setting) !== 'off'
} catch {
  // The browser blocks storage.
}

export function enhanceKeys(): void {
  const box = document.querySelector<HTMLInputElement>('#keys-on')
  if (box !== null) {
    box.checked = areOn
    box.addEventListener('change', () => {
      areOn = box.checked
      try {
        localStorage.setItem(setting, areOn ? 'on' : 'off')
      } catch {
        // The choice lasts as long as the page.
      }
    })
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return
    if (!areOn || isInField(event.target) || document.querySelector('dialog[open]')) return
    if (act(event.key)) event.preventDefault()
  })
}

function isInField(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input:not([type=checkbox]), select, textarea, [contenteditable]') !== null
  )
}

/** Performs the action of a key; returns whether it has one on this page. */
function act(key: string): boolean {
  switch (key) {
    case '?':
      showDialog('keys')
      return true
    case '/':
    case 't':
    case 'd':
    case 'y':
      return activateMarked(key)
    case 'j':
      return moveRow(1)
    case 'k':
      return moveRow(-1)
    case 'x':
      return toggleRow()
    default:
      return false
  }
}

/** Focuses the field, or follows the link, that has this `data-key`. */
function activateMarked(key: string): boolean {
  // The page's own element before the menu's.
  const element =
    document.querySelector<HTMLElement>(`main [data-key="${key}"]`) ??
    document.querySelector<HTMLElement>(`[data-key="${key}"]`)
  if (element === null) return false
  if (element instanceof HTMLInputElement) element.focus()
  else element.click()
  return true
}

function moveRow(step: 1 | -1): boolean {
  const all = [...document.querySelectorAll<HTMLTableRowElement>('table.rows tbody tr')]
  const focused = document.activeElement?.closest('tr')
  const at = all.findIndex((row) => row === focused)
  const next = all[at === -1 ? (step === 1 ? 0 : all.length - 1) : at + step]
  const target =
    next?.querySelector<HTMLElement>('th a') ?? next?.querySelector<HTMLElement>('input, a')
  target?.focus()
  return Boolean(target)
}

function toggleRow(): boolean {
  const row = document.activeElement?.closest('tr')
  const box = row?.querySelector<HTMLElement>('input[type=checkbox]')
  box?.click()
  return Boolean(box)
}
