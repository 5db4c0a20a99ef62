/** How a directory differs from an artifact. Differing files take a byte each, and only other
 *  differences hold text, since every one of hundreds of thousands of files can differ. */
import { comparePaths, formatMode } from '../../core/manifest/entry.ts'
import type { FetchedTree } from '../download/tree-columns.ts'

/** A stored number is the index of a kind plus one; 0 means no difference. */
const kinds = ['missing', 'kind', 'content', 'target', 'mode', 'unreadable', 'extra'] as const

type Kind = (typeof kinds)[number]

export interface TreeDifference {
  /** `content` and `target` (of a symlink) do not tell whether the mode differs too; `mode`
   *  means that nothing else differs. `unreadable`: cannot be read, or changed during the
   *  comparison. `extra`: not in the artifact; for a directory this covers everything in it. */
  kind: Kind
  path: string
  /** What the artifact has, and what the directory has: a kind, a symlink target or a mode; null
   *  for other differences. */
  expected: string | null
  found: string | null
}

export interface DifferenceCounts {
  missing: number
  /** All kinds but `missing` and `extra`. */
  changed: number
  extra: number
}

export interface Differences {
  readonly counts: DifferenceCounts
  /** Records that an entry differs. `found` is as in `TreeDifference`; for a file's mode it is
   *  the permission bits. */
  note(ordinal: number, kind: 'missing' | 'content' | 'unreadable'): void
  noteFound(ordinal: number, kind: 'kind' | 'target', found: string): void
  noteMode(ordinal: number, found: number): void
  /** Records a difference of a path that is no entry of the tree, or of a directory. */
  add(difference: TreeDifference): void
  /** All recorded differences in path order, created as they are read. */
  inOrder(): Iterator<TreeDifference>
}

export function createDifferences(tree: FetchedTree): Differences {
  const noted = new Uint8Array(tree.count)
  const modes = new Uint16Array(tree.count)
  const found = new Map<number, string>()
  const added: TreeDifference[] = []
  const counts: DifferenceCounts = { missing: 0, changed: 0, extra: 0 }
  const count = (kind: Kind): void => {
    counts[kind === 'missing' || kind === 'extra' ? kind : 'changed'] += 1
  }
  const note = (ordinal: number, kind: Kind): void => {
    noted[ordinal] = kinds.indexOf(kind) + 1
    count(kind)
  }
  const differenceOf = (ordinal: number): TreeDifference => {
    const kind = kinds[noted[ordinal]! - 1]!
    const path = tree.path(ordinal)
    if (kind === 'mode') {
      const expected = formatMode(tree.mode(ordinal))
      return { kind, path, expected, found: formatMode(modes[ordinal]!) }
    }
    const what = found.get(ordinal)
    if (what === undefined) return { kind, path, expected: null, found: null }
    const expected = kind === 'kind' ? tree.kind(ordinal) : tree.linkTarget(ordinal)
    return { kind, path, expected, found: what }
  }
  return {
    counts,
    note,
    noteFound: (ordinal, kind, what) => {
      note(ordinal, kind)
      found.set(ordinal, what)
    },
    noteMode: (ordinal, mode) => {
      note(ordinal, 'mode')
      modes[ordinal] = mode
    },
    add: (difference) => {
      count(difference.kind)
      added.push(difference)
    },
    *inOrder() {
      const others = added.toSorted((a, b) => comparePaths(a.path, b.path))
      let other = 0
      for (let ordinal = 0; ordinal < tree.count; ordinal++) {
        if (noted[ordinal] === 0) continue
        const own = differenceOf(ordinal)
        while (other < others.length && comparePaths(others[other]!.path, own.path) < 0)
          yield others[other++]!
        yield own
      }
      yield* others.slice(other)
    },
  }
}
