/** JSON as a foldable tree: nested `details`, with the first levels open. The number of nodes is
 *  bounded, and so is the page. */
import { counted } from '../../core/units.ts'
import { AndMore, cutText } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'

const nodesMax = 3000
/** Bound on the nodes of all lines of JSON Lines together, which are shown folded. */
const nodesOfLinesMax = 20_000
const depthMax = 64
const textMax = 2000
const excerptMax = 100

/** How many members of each object or list a tree shows: all, or as many as keep it small. */
const membersSteps = [Infinity, 1000, 300, 100, 30, 10]

/** Returns trees of JSON that are small enough for a page, the one with the most members first.
 *  Empty if the text is not JSON, has too many nodes however few members are shown, or if a tree
 *  would contain numbers beyond the safe integers, which would be shown rounded. */
export function foldableJson(text: string): Html[] {
  try {
    const value: unknown = JSON.parse(text)
    return membersSteps
      .filter((membersMax) => areShowable([value], nodesMax, membersMax))
      .map((membersMax) => <JsonTree value={value} membersMax={membersMax} />)
  } catch {
    return []
  }
}

function areShowable(values: unknown[], nodes: number, membersMax = Infinity): boolean {
  let left = nodes
  const isShowable = (node: unknown, depth: number): boolean => {
    if (--left < 0 || depth > depthMax) return false
    if (typeof node === 'number') return Math.abs(node) <= Number.MAX_SAFE_INTEGER
    if (typeof node !== 'object' || node === null) return true
    const children = Object.values(node).slice(0, membersMax)
    return children.every((child) => isShowable(child, depth + 1))
  }
  return values.every((value) => isShowable(value, 0))
}

/** Parses JSON Lines: returns the first `linesMax` values and the number of lines. Undefined
 *  if it is not JSON, or cannot be shown as a tree. */
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

export function JsonTree({
  name,
  value,
  depth = 0,
  membersMax = Infinity,
}: {
  /** Of a member of an object. */
  name?: string | undefined
  value: unknown
  depth?: number
  membersMax?: number
}): Html {
  const label = name !== undefined && <span class="json-name">{`${JSON.stringify(name)}: `}</span>
  if (typeof value !== 'object' || value === null)
    return (
      <>
        {label}
        <Scalar value={value} />
      </>
    )
  const isList = Array.isArray(value)
  const members = Object.entries(value)
  const [open, close] = isList ? ['[', ']'] : ['{', '}']
  if (members.length === 0)
    return (
      <>
        {label}
        {open + close}
      </>
    )
  const isOpen = depth < 3
  return (
    <details open={isOpen}>
      <summary>
        {label}
        {open}
        <span class="quiet">{counted(members.length, isList ? 'item' : 'member')}</span>
        {close}
        {!isOpen && <span class="excerpt"> {excerptOf(members, isList)}</span>}
      </summary>
      <ul>
        {members.slice(0, membersMax).map(([key, child]) => (
          <li>
            <JsonTree
              name={isList ? undefined : key}
              value={child}
              depth={depth + 1}
              membersMax={membersMax}
            />
          </li>
        ))}
        <AndMore count={members.length - membersMax} />
      </ul>
    </details>
  )
}

/** What is seen of a folded object or list. */
function excerptOf(members: [string, unknown][], isList: boolean): string {
  let text = ''
  for (const [name, child] of members) {
    if (text.length > excerptMax) break
    text += `${text === '' ? '' : ', '}${isList ? '' : `${name}: `}${briefly(child)}`
  }
  return cutText(text, excerptMax)
}

function briefly(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : '[…]'
  if (typeof value === 'object' && value !== null) return '{…}'
  // Cut first: a string may have a megabyte.
  return JSON.stringify(typeof value === 'string' ? cutText(value, excerptMax) : value) ?? ''
}

function Scalar({ value }: { value: unknown }) {
  const text = JSON.stringify(value) ?? ''
  const kind = typeof value === 'string' ? 'json-text' : 'json-value'
  return <span class={kind}>{cutText(text, textMax)}</span>
}
