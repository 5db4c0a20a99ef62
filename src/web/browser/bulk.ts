/** Selection of rows for bulk actions: a checkbox for all rows, a count, and a bar that appears
 *  with the first selected row. */

export function enhanceBulk(): void {
  const form = document.querySelector<HTMLFormElement>('form[data-bulk]')
  const bar = form?.querySelector<HTMLElement>('[data-bulk-bar]')
  if (!form || !bar) return
  const boxes = [...form.querySelectorAll<HTMLInputElement>('input[name=id]')]
  const all = form.querySelector<HTMLInputElement>('[data-select-all]')
  const everything = form.querySelector<HTMLInputElement>('input[name=all]')
  const count = form.querySelector('[data-bulk-count]')
  const update = (): void => {
    const selected = boxes.filter((box) => box.checked).length
    bar.hidden = selected === 0
    if (count) count.textContent = `${selected} selected:`
    if (all) {
      all.checked = selected > 0 && selected === boxes.length
      all.indeterminate = selected > 0 && selected < boxes.length
    }
    if (selected === 0 && everything) everything.checked = false
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
