/** Renders text with terminal escapes as spans: sixteen colours, bold, faint, italic, underline
 *  and inverse (ECMA-48 §8.3.117). All other escapes are dropped, so no byte of a log can do
 *  more than style text. */
import type { Child } from 'hono/jsx'

export interface AnsiState {
  foreground: number | null
  background: number | null
  styles: Set<Style>
}

type Style = 'bold' | 'faint' | 'italic' | 'underline' | 'inverse'

/** By the code that begins each. */
const styles: ReadonlyMap<number, Style> = new Map([
  [1, 'bold'],
  [2, 'faint'],
  [3, 'italic'],
  [4, 'underline'],
  [7, 'inverse'],
])
/** By the code that ends them. */
const endedStyles: ReadonlyMap<number, Style[]> = new Map([
  [22, ['bold', 'faint']],
  [23, ['italic']],
  [24, ['underline']],
  [27, ['inverse']],
])

export function plainAnsiState(): AnsiState {
  return { foreground: null, background: null, styles: new Set() }
}

const escapes =
  // oxlint-disable-next-line no-control-regex -- escapes begin with a control character.
  /\u001b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-_])/g
/** Control characters to drop. A carriage return is kept: pages show it as a line break, also in
 *  text without escapes. */
// oxlint-disable-next-line no-control-regex -- these are the characters to drop.
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g

export function hasEscapes(text: string): boolean {
  return text.includes('\u001b[')
}

/** Drops all escapes and control characters. */
export function withoutEscapes(text: string): string {
  return text.replaceAll(escapes, '').replaceAll(controls, '')
}

/** Renders one line. `state` is the style at its start, and is updated to that at its end. Each
 *  run of equal style becomes one span. */
export function renderAnsiLine(line: string, state: AnsiState): Child[] {
  const children: Child[] = []
  let from = 0
  const add = (text: string): void => {
    const shown = text.replaceAll(controls, '')
    if (shown === '') return
    const names = classesOf(state)
    children.push(names === '' ? shown : <span class={names}>{shown}</span>)
  }
  for (const match of line.matchAll(escapes)) {
    add(line.slice(from, match.index))
    from = match.index + match[0].length
    if (match[1] !== undefined) applySgr(state, match[1])
  }
  add(line.slice(from))
  return children
}

function applySgr(state: AnsiState, parameters: string): void {
  const codes = parameters.split(/[;:]/).map((text) => Number(text === '' ? 0 : text))
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index]!
    if (code === 38 || code === 48) {
      const { color, taken } = extendedColor(codes, index + 1)
      if (code === 38) state.foreground = color
      else state.background = color
      index += taken
    } else {
      applyCode(state, code)
    }
  }
}

function applyCode(state: AnsiState, code: number): void {
  const begun = styles.get(code)
  if (begun !== undefined) state.styles.add(begun)
  for (const ended of endedStyles.get(code) ?? []) state.styles.delete(ended)
  if (code === 0) Object.assign(state, plainAnsiState())
  else if (code >= 30 && code <= 37) state.foreground = code - 30
  else if (code === 39) state.foreground = null
  else if (code >= 40 && code <= 47) state.background = code - 40
  else if (code === 49) state.background = null
  else if (code >= 90 && code <= 97) state.foreground = code - 82
  else if (code >= 100 && code <= 107) state.background = code - 92
}

/** Parses `5;N` or `2;R;G;B` and returns the nearest of the sixteen colours, and how many
 *  parameters it took. */
function extendedColor(codes: number[], at: number): { color: number | null; taken: number } {
  if (codes[at] === 5) return { color: nearestOf256(codes[at + 1] ?? 0), taken: 2 }
  if (codes[at] === 2) {
    const [red = 0, green = 0, blue = 0] = codes.slice(at + 1, at + 4)
    return { color: nearestOfRgb(red, green, blue), taken: 4 }
  }
  return { color: null, taken: 0 }
}

function nearestOf256(index: number): number {
  if (index < 16) return index
  if (index >= 232) return index >= 244 ? 7 : 8
  const cube = index - 16
  const level = (value: number): number => value * 51
  return nearestOfRgb(
    level(Math.floor(cube / 36)),
    level(Math.floor(cube / 6) % 6),
    level(cube % 6),
  )
}

function nearestOfRgb(red: number, green: number, blue: number): number {
  const bright = Math.max(red, green, blue)
  if (bright < 64) return 0
  const bit = (value: number): number => (value > bright / 2 ? 1 : 0)
  return (bright > 191 ? 8 : 0) + bit(red) + 2 * bit(green) + 4 * bit(blue)
}

function classesOf({ foreground, background, styles: own }: AnsiState): string {
  const names = Array.from(own, (style) => `ansi-${style}`)
  // Inverse text has our two colours: any other could not be read on the colour of text.
  if (own.has('inverse')) return names.join(' ')
  // Bright colours are shown as the others, except bright black, which is grey.
  if (foreground !== null) names.push(`fg${foreground === 8 ? 8 : foreground % 8}`)
  if (background !== null) names.push(`bg${background % 8}`)
  return names.join(' ')
}
