/** The entries of an upload before their files have been read, in manifest order. Stored in
 *  columns, because there can be hundreds of thousands. */
import {
  type Entry,
  type EntryKind,
  type EntryPath,
  symlinkMode,
} from '../../core/manifest/entry.ts'

export interface SourceTree {
  /** Absolute directory that entry paths are relative to. */
  readonly root: string
  /** Whether every file is read from its entry path below `root`. */
  readonly isBelowRoot: boolean
  readonly count: number
  /** Entry paths, ascending by `comparePaths`. */
  readonly paths: readonly string[]
  kind(ordinal: number): EntryKind
  /** Absolute path that the entry's content is read from. */
  sourceOf(ordinal: number): string
  /** Permission bits of a directory; those of files are known only after reading them. */
  directoryMode(ordinal: number): number
  linkTarget(ordinal: number): string
  /** Whole seconds; only for directories and symlinks. */
  modifiedAt(ordinal: number): number
}

/** Returns the entry of a directory or symlink. */
export function otherEntry(tree: SourceTree, ordinal: number): Entry {
  const path = tree.paths[ordinal] as EntryPath
  return tree.kind(ordinal) === 'directory'
    ? { kind: 'directory', path, mode: tree.directoryMode(ordinal) }
    : { kind: 'symlink', path, mode: symlinkMode, target: tree.linkTarget(ordinal) }
}

/** A file that the caller has chosen. */
export interface SourceFile {
  absolutePath: string
  entryPath: string
}
