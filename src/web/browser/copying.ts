/** Buttons that copy the text of their `data-copy` attribute, or the signed URL that the address in
 *  `data-copy-from` makes. */
import { announce } from './announce.ts'

export function enhanceCopying(): void {
  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const button = target?.closest('[data-copy], [data-copy-from]') ?? null
    if (button === null) return
    const text = button.getAttribute('data-copy')
    const source = button.getAttribute('data-copy-from')
    if (text !== null) void copy(text).then((copied) => tell(button, copied))
    else if (source !== null) void copySigned(button, source)
  })
}

function tell(button: Element, copied: boolean): void {
  announce(copied ? 'Copied' : 'Could not copy')
  button.classList.toggle('copied', copied)
  setTimeout(() => {
    button.classList.remove('copied')
  }, 1500)
}

interface SignedUrl {
  url: string
  expiresAt: string
}

/** How long a button says what has become of its link. */
const toldMs = 5000

/** Says on the button until when the link works, or why there is none. */
async function copySigned(button: Element, source: string): Promise<void> {
  if (button.getAttribute('aria-busy') === 'true') return
  button.setAttribute('aria-busy', 'true')
  const asking = sign(source)
  const copied = await copyLater(asking.then((signed) => signed.url)).catch(() => false)
  const signed = await asking.catch(() => null)
  let told = 'Could not sign a link'
  if (signed !== null) told = copied ? `Copied, works until ${time(signed)}` : 'Could not copy'
  announce(told)
  const label = button.textContent
  button.textContent = told
  setTimeout(() => {
    button.textContent = label
    button.removeAttribute('aria-busy')
  }, toldMs)
}

function time({ expiresAt }: SignedUrl): string {
  return new Date(expiresAt).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' })
}

/** Errors: no network, or a refusal. */
async function sign(source: string): Promise<SignedUrl> {
  const response = await fetch(source)
  if (!response.ok) throw new Error(`status ${response.status}`)
  return (await response.json()) as SignedUrl
}

/** Safari copies after an answer only what it was told of during the click. */
async function copyLater(text: Promise<string>): Promise<boolean> {
  const clipboard = navigator.clipboard as Clipboard | undefined
  if (clipboard !== undefined && 'ClipboardItem' in window) {
    const content = text.then((known) => new Blob([known], { type: 'text/plain' }))
    try {
      await clipboard.write([new ClipboardItem({ 'text/plain': content })])
      return true
    } catch {
      // The browser may want the text itself.
    }
  }
  return await copy(await text)
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
