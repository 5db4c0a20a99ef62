/** The columns of a source tree, appended to during the walk. */
import type { Stats } from 'node:fs'
import { type EntryKind, comparePaths, pathFault, unsafePath } from '../../core/manifest/entry.ts'
import { storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { checkSymlinkTarget } from '../../core/manifest/manifest.ts'
import { slashed } from '../files/paths.ts'
import { modeOf } from '../files/system.ts'
import type { SourceTree } from './source-tree.ts'

/** An entry of an upload. */
export interface Found {
  path: string
  kind: EntryKind
  stats?: Stats
  target?: string
  /** Absolute path that the content is read from, when it is not the entry's own path. A symlink
   *  there is not followed. */
  source?: string | undefined
}

export interface GrowingTree extends SourceTree {
  add(found: Found): void
}

/** Holds even where the server accepts more: TROVE_MAX_ENTRIES changes only the server's limit. */
const limitValue = limits.entriesMax
const tooMany = `the upload has more than ${limitValue} entries, the limit for one upload`

/** Errors of `add`: unsafe_path, duplicate_path, too_large. */
export function createGrowingTree(root: string): GrowingTree {
  const prefix = slashed(root)
  const paths: string[] = []
  const kinds: EntryKind[] = []
  const sources = new Map<number, string>()
  const others = new Map<number, { mode: number; seconds: number; target: string | undefined }>()
  return {
    root,
    get isBelowRoot() {
      return sources.size === 0
    },
    get count() {
      return paths.length
    },
    paths,
    kind: (ordinal) => kinds[ordinal]!,
    sourceOf: (ordinal) => sources.get(ordinal) ?? prefix + paths[ordinal]!,
    directoryMode: (ordinal) => others.get(ordinal)!.mode,
    linkTarget: (ordinal) => others.get(ordinal)!.target!,
    modifiedAt: (ordinal) => others.get(ordinal)!.seconds,
    add: ({ path: found, kind, stats, target, source }) => {
      const ordinal = paths.length
      if (ordinal >= limitValue) throw tooLarge('entries of one upload', limitValue, tooMany)
      // Copies the string: a slice of a longer one would keep the whole absolute path in memory.
      const path = Buffer.from(found).toString()
      const fault = pathFault(path)
      if (fault !== undefined) throw unsafePath(path, `${fault}; rename it, or exclude it`)
      if (ordinal > 0 && comparePaths(paths[ordinal - 1]!, path) >= 0) {
        throw storeError(
          'duplicate_path',
          `path ${JSON.stringify(path)} occurs twice in the upload`,
          { path },
        )
      }
      paths.push(path)
      kinds.push(kind)
      if (source !== undefined && source !== prefix + path) sources.set(ordinal, source)
      if (target !== undefined) checkSymlinkTarget(path, target)
      if (stats !== undefined) {
        const seconds = Math.floor(stats.mtimeMs / 1000)
        others.set(ordinal, { mode: modeOf(stats), seconds, target })
      }
    },
  }
}
