/** Follows symlinks inside an artifact, for readers whose protocol has none. */
import type { Metadata, StoredEntry, StoredFile } from '../metadata/metadata.ts'

/** More than any real chain has; a loop ends here. */
const linksMax = 16

/** Returns the file that a symlink means, with its time; undefined when it leads to a directory,
 *  nowhere, or out of the artifact. A directory could contain itself, so those who walk the result
 *  would never end. */
export async function followLink(
  reader: Pick<Metadata, 'findEntry'>,
  artifactId: number,
  { path, target }: { path: string; target: string },
): Promise<{ entry: StoredFile; modifiedAt: number | null } | undefined> {
  const end = await endOf(reader, artifactId, resolveTarget(path, target))
  if (end?.entry?.kind !== 'file') return undefined
  const { entry, modifiedAt } = end
  return { entry, modifiedAt }
}

/** Returns the file or directory at a path, or that a symlink there leads to; undefined if there is
 *  none. */
export async function findThrough(
  reader: Pick<Metadata, 'findEntry' | 'listDirectory'>,
  artifactId: number,
  path: string,
): Promise<{ kind: 'file' | 'directory'; path: string } | undefined> {
  const end = await endOf(reader, artifactId, path)
  if (end === undefined) return undefined
  if (end.entry?.kind === 'file') return { kind: 'file', path: end.path }
  // Most directories are no entries.
  const place = { directory: end.path, limit: 1, from: null }
  const listing = await reader.listDirectory(artifactId, place)
  return listing && { kind: 'directory', path: end.path }
}

/** The path at which a chain of symlinks ends, and what is there. */
async function endOf(
  reader: Pick<Metadata, 'findEntry'>,
  artifactId: number,
  start: string | undefined,
): Promise<{ path: string; entry?: StoredEntry; modifiedAt: number | null } | undefined> {
  let path = start
  for (let read = 0; path !== undefined && read < linksMax; read++) {
    const found = await reader.findEntry(artifactId, path)
    if (found?.entry.kind !== 'symlink') return { path, modifiedAt: null, ...found }
    path = resolveTarget(path, found.entry.target)
  }
  return undefined
}

/** Only `..` at the beginning are resolved: behind a name, which may be a symlink itself, they mean
 *  the directory above what it leads to. */
function resolveTarget(path: string, target: string): string | undefined {
  if (target.startsWith('/')) return undefined
  const directory = path.split('/').slice(0, -1)
  const steps = target.split('/').filter((step) => step !== '' && step !== '.')
  const down = steps.findIndex((step) => step !== '..')
  const up = down === -1 ? steps.length : down
  const names = steps.slice(up)
  if (up > directory.length || names.includes('..')) return undefined
  return [...directory.slice(0, directory.length - up), ...names].join('/')
}
