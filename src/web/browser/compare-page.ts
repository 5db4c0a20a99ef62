/** Lays two images over each other: a slider moves the edge between them, or fades one into the
 *  other. */
const images = document.querySelector<HTMLElement>('[data-images]')
images?.addEventListener('input', ({ target }) => {
  if (!(target instanceof HTMLInputElement)) return
  if (target.type === 'range') images.style.setProperty('--share', `${target.value}%`)
  else images.dataset['images'] = target.value
})

export {}
