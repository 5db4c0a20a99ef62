/** What an upload sends, before its files have been read: entries in manifest order, in columns, because there may be
 *  hundreds of thousands. */
import { type Entry, type EntryKind, type EntryPath, symlinkMode } from '../../core/entry.ts'

export interface SourceTree {
  /** Absolute directory that entry paths are below. */
  readonly root: string
  /** Whether every file lies below `root` as its path says. */
  readonly isBelowRoot: boolean
  readonly count: number
  /** Entry paths, ascending by `comparePaths`. */
  readonly paths: readonly string[]
  kind(ordinal: number): EntryKind
  /** Absolute path that the entry's bytes are read from. */
  sourceOf(ordinal: number): string
  /** Permission bits of a directory; those of files are known once they have been read. */
  directoryMode(ordinal: number): number
  linkTarget(ordinal: number): string
  /** Whole seconds; of directories and links. */
  modifiedAt(ordinal: number): number
}

/** The entry of what is no file. */
export function otherEntry(tree: SourceTree, ordinal: number): Entry {
  const path = tree.paths[ordinal] as EntryPath
  return tree.kind(ordinal) === 'directory'
    ? { kind: 'directory', path, mode: tree.directoryMode(ordinal) }
    : { kind: 'symlink', path, mode: symlinkMode, target: tree.linkTarget(ordinal) }
}

/** A file that the caller names itself. */
export interface SourceFile {
  absolutePath: string
  entryPath: string
}
