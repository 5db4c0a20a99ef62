/** Announces text to screen readers through the polite live region. */
export function announce(text: string): void {
  const announcer = document.querySelector('#announcer')
  if (announcer !== null) announcer.textContent = text
}
