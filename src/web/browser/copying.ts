/** Buttons that copy the text of their `data-copy` attribute. */
import { announce } from './announce.ts'

export function enhanceCopying(): void {
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element ? event.target.closest('[data-copy]') : null
    const text = button?.getAttribute('data-copy')
    if (button === null || text === null || text === undefined) return
    void copy(text).then((copied) => {
      announce(copied ? 'Copied' : 'Could not copy')
      button.classList.toggle('copied', copied)
      setTimeout(() => {
        button.classList.remove('copied')
      }, 1500)
    })
  })
}

async function copy(text: string): Promise<boolean> {
  // Undefined on insecure origins, such as plain http from another machine.
  const clipboard = navigator.clipboard as Clipboard | undefined
  if (clipboard === undefined) return copyBySelection(text)
  try {
    await clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

/** The only way on insecure origins. */
function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'unseen'
  document.body.append(field)
  const focused = document.activeElement
  field.select()
  const copied = document.execCommand('copy')
  field.remove()
  if (focused instanceof HTMLElement) focused.focus()
  return copied
}
