/** Finds and hashes the files of an upload; hashing runs while the walk is still finding files. */
import { cacheFilePath } from '../cache/cache-files.ts'
import type { FilePool } from '../files/file-pool.ts'
import type { HashedTree } from './hashed-tree.ts'
import { listSources } from './list-sources.ts'
import { findSourceSecrets, type SecretInEntry } from './source-secrets.ts'
import type { SourceFile, SourceTree } from './source-tree.ts'
import { openTreeHasher, type TreeHasher } from './tree-hasher.ts'
import { walkSources } from './walk.ts'

/** What to upload: patterns as in `trove upload`, or files that the caller has chosen. */
export type UploadSource =
  | {
      kind: 'patterns'
      patterns: readonly string[]
      /** Absolute directory that relative patterns start from. */
      directory: string
      includeHidden?: boolean
      symlinks?: 'keep' | 'follow'
      /** Globs of entry paths to leave out. */
      exclude?: readonly string[]
      /** Called with the path of each hidden file or directory that is left out, in the order in
       *  which they are found. */
      onHidden?: (path: string) => void
    }
  | { kind: 'files'; files: readonly SourceFile[] }

export interface HashProgress {
  /** Files found so far. */
  files: number
  hashedFiles: number
  hashedBytes: number
}

/** Looks for credentials if `wantsSecrets`. Errors: those of `walkSources` and `listSources`,
 *  FileError, the signal's. */
export async function hashSource(
  pool: FilePool,
  source: UploadSource,
  options: {
    cacheDir: string | null
    signal: AbortSignal
    reportProgress(change: Partial<HashProgress>): void
    wantsSecrets: boolean
  },
): Promise<{ tree: HashedTree; secrets: SecretInEntry[] }> {
  const { cacheDir, signal, reportProgress, wantsSecrets } = options
  const open = async (isBelowRoot: boolean): Promise<TreeHasher> =>
    await openTreeHasher(pool, {
      cachePath:
        cacheDir === null || !isBelowRoot
          ? null
          : cacheFilePath(cacheDir, 'stat', cacheKey(source)),
      followsLinks: source.kind === 'files' || source.symlinks === 'follow',
      signal,
      onProgress: ({ files, bytes }) => {
        reportProgress({ hashedFiles: files, hashedBytes: bytes })
      },
    })
  let tree: SourceTree
  let hasher: TreeHasher
  const onFiles: TreeHasher['add'] = (from, to, found) => {
    reportProgress({ files: to })
    hasher.add(from, to, found)
  }
  if (source.kind === 'files') {
    tree = listSources(source.files)
    hasher = await open(tree.isBelowRoot)
    onFiles(0, tree.count, tree)
  } else {
    const { patterns, includeHidden = false, symlinks = 'keep', exclude = [], ...more } = source
    hasher = await open(true)
    const how = { ...more, includeHidden, symlinks, exclude, signal, onFiles }
    tree = await walkSources(patterns, how)
  }
  // Worker threads hash the files meanwhile.
  const secrets = wantsSecrets ? findSourceSecrets(tree) : []
  return { tree: await hasher.finish(tree), secrets }
}

/** The cache is keyed by everything that selects the files; two uploads with one key would
 *  overwrite each other's cache. */
function cacheKey(source: UploadSource): string {
  if (source.kind === 'files') return JSON.stringify(['files', source.files[0]?.absolutePath ?? ''])
  const { patterns, directory, includeHidden, symlinks, exclude } = source
  return JSON.stringify([
    'patterns',
    directory,
    patterns,
    includeHidden === true,
    symlinks ?? 'keep',
    exclude ?? [],
  ])
}
