/** The columns of a source tree, growing at their end as a walk goes on. */
import type { Stats } from 'node:fs'
import { type EntryKind, comparePaths, parseEntryPath } from '../../core/entry.ts'
import { storeError, tooLarge } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { checkSymlinkTarget } from '../../core/manifest.ts'
import { slashed } from '../files/paths.ts'
import { modeOf } from '../files/system.ts'
import type { SourceTree } from './source-tree.ts'

/** Something that belongs into an upload. */
export interface Found {
  path: string
  kind: EntryKind
  stats: Stats | undefined
  target: string | undefined
  /** Absolute path of what is read, where that is not at the entry's own place: no link is followed to it. */
  source?: string | undefined
}

export interface GrowingTree extends SourceTree {
  add(found: Found): void
}

const kinds: readonly EntryKind[] = ['file', 'directory', 'symlink']

/** Errors of `add`: unsafe_path, duplicate_path, too_large. */
export function createGrowingTree(root: string): GrowingTree {
  const prefix = slashed(root)
  const paths: string[] = []
  const kindOf: number[] = []
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
    kind: (ordinal) => kinds[kindOf[ordinal]!]!,
    sourceOf: (ordinal) => sources.get(ordinal) ?? prefix + paths[ordinal]!,
    directoryMode: (ordinal) => others.get(ordinal)!.mode,
    linkTarget: (ordinal) => others.get(ordinal)!.target!,
    modifiedAt: (ordinal) => others.get(ordinal)!.seconds,
    add: ({ path: found, kind, stats, target, source }) => {
      const ordinal = paths.length
      if (ordinal >= limits.entriesMax) throw tooMany()
      // A string of its own: a part of a longer one would keep the absolute path.
      const path = parseEntryPath(Buffer.from(found).toString())
      if (ordinal > 0 && comparePaths(paths[ordinal - 1]!, path) >= 0) {
        throw storeError(
          'duplicate_path',
          `path ${JSON.stringify(path)} occurs twice in the upload`,
          { path },
        )
      }
      paths.push(path)
      kindOf.push(kinds.indexOf(kind))
      if (source !== undefined && source !== prefix + path) sources.set(ordinal, source)
      if (target !== undefined) checkSymlinkTarget(path, target)
      if (stats !== undefined) {
        const seconds = Math.floor(stats.mtimeMs / 1000)
        others.set(ordinal, { mode: modeOf(stats), seconds, target })
      }
    },
  }
}

/** Where the server takes more, TROVE_MAX_ENTRIES moves its bound only. */
function tooMany(): Error {
  const limitValue = limits.entriesMax
  const reason = `the upload has more than ${limitValue} entries, the most that are sent as one`
  return tooLarge('entries of one upload', limitValue, reason)
}
