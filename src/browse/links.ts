/** Follows symlinks inside an artifact, for readers whose protocol has none. */
import type { StoredFile } from '../metadata/metadata.ts'
import type { EntryReader } from './entries.ts'

/** More than any real chain has; a loop ends here. */
const linksMax = 16

/** Returns the file that a symlink means, with its time; undefined when it leads to a directory,
 *  nowhere, or out of the artifact. A directory could contain itself, so those who walk the result
 *  would never end. */
export async function followLink(
  reader: Pick<EntryReader, 'findEntry'>,
  artifactId: number,
  link: { path: string; target: string },
): Promise<{ entry: StoredFile; modifiedAt: number | null } | undefined> {
  let { path, target } = link
  for (let followed = 0; followed < linksMax; followed++) {
    const next = resolveTarget(path, target)
    const found = next === undefined ? undefined : await reader.findEntry(artifactId, next)
    if (found === undefined || found.entry.kind === 'directory') return undefined
    const { entry, modifiedAt } = found
    if (entry.kind === 'file') return { entry, modifiedAt }
    ;({ path, target } = entry)
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
  if (down === -1 || down > directory.length) return undefined
  const names = steps.slice(down)
  if (names.includes('..')) return undefined
  return [...directory.slice(0, directory.length - down), ...names].join('/')
}
