/** Paths that several artifacts have when `trove download` merges them into one directory. */
import type { FetchedTree } from '../../client/download/tree-columns.ts'
import { counted } from '../../core/units.ts'
import { printable } from './output.ts'

/** Paths that hold something else in an artifact than in an earlier one. */
export interface Collisions {
  count: number
  /** The first of them. */
  paths: string[]
}

export interface MergedPaths {
  /** Notes the entries of the next artifact, and returns those that collide with earlier ones. */
  add(tree: FetchedTree, ordinals: readonly number[]): Collisions
  /** All collisions so far, each path once. */
  collisions(): Collisions
}

const namedMax = 5

export function createMergedPaths(): MergedPaths {
  const held = new Map<string, number | string>()
  const collided = new Set<string>()
  return {
    add: (tree, ordinals) => {
      const found: string[] = []
      for (const ordinal of ordinals) {
        // Directories merge.
        if (tree.kind(ordinal) === 'directory') continue
        const path = tree.path(ordinal)
        const content = contentOf(tree, ordinal)
        const before = held.get(path)
        if (before !== undefined && before !== content) found.push(path)
        held.set(path, content)
      }
      for (const path of found) collided.add(path)
      return firstOf(found)
    },
    collisions: () => firstOf([...collided]),
  }
}

/** A number for a file, since there may be hundreds of thousands: 40 bits of its digest, and its
 *  mode. */
function contentOf(tree: FetchedTree, ordinal: number): number | string {
  if (tree.kind(ordinal) === 'symlink') return tree.linkTarget(ordinal)
  return tree.digestBytes(ordinal).readUIntBE(0, 5) * 0o10000 + tree.mode(ordinal)
}

function firstOf(paths: string[]): Collisions {
  return { count: paths.length, paths: paths.slice(0, namedMax) }
}

/** A line for stderr; '' without collisions. */
export function collisionText({ count, paths }: Collisions): string {
  if (count === 0) return ''
  const more = count > paths.length ? ` and ${count - paths.length} more` : ''
  const differ = count === 1 ? 'differs' : 'differ'
  return `trove: warning: ${counted(count, 'path')} ${differ} between the artifacts, and the newest artifact's stays: ${printable(paths.join(', '))}${more}\n`
}
