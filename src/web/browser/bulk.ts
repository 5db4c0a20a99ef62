/** Ticking many rows: one box for all of them, a count, and a bar that shows once something is ticked. */

export function enhanceBulk(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-bulk]')
  const bar = form?.querySelector<HTMLElement>('[data-bulk-bar]')
  if (!form || !bar) return
  const boxes = [...form.querySelectorAll<HTMLInputElement>('input[name=id]')]
  const all = form.querySelector<HTMLInputElement>('[data-select-all]')
  const everything = form.querySelector<HTMLInputElement>('input[name=all]')
  const count = form.querySelector('[data-bulk-count]')
  const update = (): void => {
    const ticked = boxes.filter((box) => box.checked).length
    bar.hidden = ticked === 0
    if (count) count.textContent = `${ticked} selected:`
    if (all) {
      all.checked = ticked > 0 && ticked === boxes.length
      all.indeterminate = ticked > 0 && ticked < boxes.length
    }
    if (ticked === 0 && everything) everything.checked = false
  }
  all?.addEventListener('change', () => {
    for (const box of boxes) box.checked = all.checked
    update()
  })
  form.addEventListener('change', update)
  form.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || !(event.target instanceof HTMLInputElement)) return
    event.preventDefault()
    if (event.target.name === 'days') form.querySelector<HTMLElement>('[value=extend]')?.click()
  })
  update()
}
