/** Polls on the first-run page until the first upload exists, then reloads it. */

const everyMs = 3000

export function enhanceWaiting(): void {
  const place = document.querySelector('[data-wait-for-upload]')
  if (place === null) return
  place.textContent = 'Waiting for the first upload…'
  const poll = async (): Promise<void> => {
    if (!document.hidden) {
      const response = await fetch('/').catch(() => undefined)
      const text = response?.ok === true ? await response.text() : ''
      if (text !== '' && !text.includes('data-wait-for-upload')) {
        location.reload()
        return
      }
    }
    setTimeout(() => void poll(), everyMs)
  }
  setTimeout(() => void poll(), everyMs)
}
