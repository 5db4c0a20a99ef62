/** Says something to screen readers, politely. */
export function announce(text: string): void {
  const announcer = document.querySelector('#announcer')
  if (announcer !== null) announcer.textContent = text
}
