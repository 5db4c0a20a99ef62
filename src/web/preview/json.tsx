/** JSON as a foldable tree: nested `details`, with the first levels open. The number of nodes is
 *  bounded, and so is the page. */
import { counted } from '../../core/units.ts'
import type { Child } from 'hono/jsx'
import type { Html } from '../parts/html.ts'
import { cutText } from './text.ts'

const nodesMax = 3000
/** Bound on the nodes of all lines of JSON Lines together, which are shown folded. */
const nodesOfLinesMax = 20_000
const depthMax = 64
const textMax = 2000

/** Parses JSON to be shown as a tree. Undefined if the text is not JSON, if it has too many
 *  nodes, or if it contains numbers beyond the safe integers, which would be shown rounded. */
export function parseFoldableJson(text: string): { value: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return areShowable([value], nodesMax) ? { value } : undefined
  } catch {
    return undefined
  }
}

function areShowable(values: unknown[], nodes: number): boolean {
  let left = nodes
  const isShowable = (node: unknown, depth: number): boolean => {
    if (--left < 0 || depth > depthMax) return false
    if (typeof node === 'number') return Math.abs(node) <= Number.MAX_SAFE_INTEGER
    if (typeof node !== 'object' || node === null) return true
    return Object.values(node).every((child) => isShowable(child, depth + 1))
  }
  return values.every((value) => isShowable(value, 0))
}

/** Parses JSON Lines: returns the first `linesMax` values and the number of lines. Undefined
 *  under the same conditions as for `parseFoldableJson`. */
export function parseJsonLines(
  text: string,
  linesMax: number,
): { values: unknown[]; total: number } | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  try {
    const values = lines.slice(0, linesMax).map((line): unknown => JSON.parse(line))
    return areShowable(values, nodesOfLinesMax) ? { values, total: lines.length } : undefined
  } catch {
    return undefined
  }
}

export function JsonTree({ value, depth = 0 }: { value: unknown; depth?: number }): Html {
  if (typeof value !== 'object' || value === null) return <Scalar value={value} />
  const isList = Array.isArray(value)
  const members = Object.entries(value)
  const [open, close] = isList ? ['[', ']'] : ['{', '}']
  if (members.length === 0) return <span>{open + close}</span>
  return (
    <details open={depth < 3}>
      <summary>
        {open}
        <span class="quiet">{counted(members.length, isList ? 'item' : 'member')}</span>
        {close}
      </summary>
      <ul>
        {members.map(([name, child]) => (
          <li>
            <Name text={isList ? null : name} />
            <JsonTree value={child} depth={depth + 1} />
          </li>
        ))}
      </ul>
    </details>
  )
}

function Name({ text }: { text: string | null }): Child {
  if (text === null) return <></>
  return <span class="json-name">{`${JSON.stringify(text)}: `}</span>
}

function Scalar({ value }: { value: unknown }) {
  const text = JSON.stringify(value) ?? ''
  const kind = typeof value === 'string' ? 'json-text' : 'json-value'
  return <span class={kind}>{cutText(text, textMax)}</span>
}
