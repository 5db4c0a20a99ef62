/** One difference between two artifacts. */
import type { Entry } from '../core/manifest/entry.ts'
import type { ComparedEntry as Side, EntryPair } from '../metadata/metadata.ts'

export type Difference =
  | { kind: 'added'; before: null; after: Side }
  | { kind: 'removed'; before: Side; after: null }
  /** `changed`: other content, kind or link target. `mode`: only permission bits. `moved`:
   *  another path. */
  | { kind: 'changed' | 'mode' | 'moved'; before: Side; after: Side }

export function differenceOf({ before, after }: EntryPair): Difference {
  if (before === null) return { kind: 'added', before, after }
  if (after === null) return { kind: 'removed', before, after }
  const isModeOnly = contentOf(before.entry) === contentOf(after.entry)
  return { kind: isModeOnly ? 'mode' : 'changed', before, after }
}

/** Equal for two entries exactly when they hold the same thing, whatever their paths and modes. */
export function contentOf(entry: Entry): string {
  if (entry.kind === 'file') return `file ${entry.digest}`
  return entry.kind === 'symlink' ? `symlink ${entry.target}` : 'directory'
}

export function sizeOf(side: Difference['before']): number {
  return side?.entry.kind === 'file' ? side.entry.sizeBytes : 0
}

export function deltaOf(difference: Difference): number {
  return sizeOf(difference.after) - sizeOf(difference.before)
}
