/** The source tree of files that the caller has chosen. */
import { comparePaths } from '../../core/manifest/entry.ts'
import { createGrowingTree } from './growing-tree.ts'
import { findLstat, targetOf } from './source-stats.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'

/** Returns a tree like that of `walkSources`; symlinks are followed. Errors: unsafe_path,
 *  duplicate_path, too_large. */
export function listSources(files: readonly SourceFile[]): SourceTree {
  const sorted = files.toSorted((a, b) => comparePaths(a.entryPath, b.entryPath))
  const tree = createGrowingTree(commonRoot(sorted[0]))
  for (const { entryPath, absolutePath } of sorted) {
    const source = findLstat(absolutePath)?.isSymbolicLink() ? targetOf(absolutePath) : absolutePath
    tree.add({ path: entryPath, kind: 'file', source })
  }
  return tree
}

/** The directory that the first file's entry path is relative to, which is usually that of all
 *  files. */
function commonRoot(first: SourceFile | undefined): string {
  const end = `/${first?.entryPath}`
  return first?.absolutePath.endsWith(end) === true
    ? first.absolutePath.slice(0, -end.length) || '/'
    : '/'
}
