/** Shows confirmation pages as a dialog above the current page. The native `dialog` keeps the
 *  focus inside, closes on Escape and restores the focus. */
import { fetchDocument } from './fetch-document.ts'

export function enhanceDialogs(): void {
  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const link = target?.closest<HTMLAnchorElement>('a[data-dialog]')
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault()
      void showPage(link.href)
      return
    }
    const name = target?.closest('[data-show]')?.getAttribute('data-show')
    if (name) showDialog(name)
    const dialog = target?.closest('dialog')
    if (dialog && target?.closest('[data-cancel]')) {
      event.preventDefault()
      dialog.close()
    }
  })
}

export function showDialog(id: string): void {
  const dialog = document.getElementById(id)
  if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal()
}

/** Shows the section `#confirm` of a page as a dialog. The server may take a moment to compute
 *  it; until then the dialog says so. */
async function showPage(address: string): Promise<void> {
  const dialog = document.createElement('dialog')
  const waiting = document.createElement('p')
  waiting.textContent = 'Calculating freed space…'
  waiting.setAttribute('role', 'status')
  dialog.append(waiting)
  dialog.setAttribute('aria-label', 'Confirmation')
  dialog.addEventListener('close', () => {
    dialog.remove()
  })
  document.body.append(dialog)
  dialog.showModal()
  const section = (await fetchDocument(address))?.querySelector('#confirm')
  if (!dialog.open) return
  if (!section) {
    location.assign(address)
    return
  }
  dialog.replaceChildren(document.importNode(section, true))
  dialog.setAttribute('aria-labelledby', 'confirm-title')
  dialog.querySelector<HTMLElement>('[data-cancel]')?.focus()
}
