/** Where the bytes of a directory are: its children by size. */
import { readFileEntry } from './entries.ts'
import type { MeasuredChild, MeasuredStretch, Metadata } from '../metadata/metadata.ts'

export interface DirectorySizes {
  files: number
  sizeBytes: number
  /** The largest children, largest first, those of one size in path order. */
  children: MeasuredChild[]
  /** The sum of the others. */
  others: { children: number; files: number; sizeBytes: number }
}

type Reader = Pick<Metadata, 'measureDirectory' | 'listDirectory' | 'findEntry'>

/** Measures a directory ('' is the root), keeping at most `limit` children; a file is its own only
 *  child. Errors: not_found, artifact_expired, artifact_deleted, the abort reason of `signal`. */
export async function measureSizes(
  reader: Reader,
  artifact: { id: number; name: string },
  path: string,
  { limit, signal }: { limit: number; signal?: AbortSignal },
): Promise<DirectorySizes> {
  const sum = createSizeSum(limit)
  let page: number | null = null
  do {
    signal?.throwIfAborted()
    const stretch: MeasuredStretch = await reader.measureDirectory(artifact.id, path, page)
    stretch.children.forEach(sum.add)
    page = stretch.next
  } while (page !== null)
  const sizes = sum.sizes()
  if (sizes.files > 0 || path === '') return sizes
  const place = { directory: path, limit: 1, from: null }
  if ((await reader.listDirectory(artifact.id, place)) !== undefined) return sizes
  const { kind, sizeBytes } = await readFileEntry(reader, artifact, path)
  return { ...sizes, files: 1, sizeBytes, children: [{ kind, path, files: 1, sizeBytes }] }
}

/** The same with at most `limit` children. */
export function withFewer(
  { children, others, ...sizes }: DirectorySizes,
  limit: number,
): DirectorySizes {
  const sum = { ...others }
  for (const { files, sizeBytes } of children.slice(limit)) {
    sum.children += 1
    sum.files += files
    sum.sizeBytes += sizeBytes
  }
  return { ...sizes, children: children.slice(0, limit), others: sum }
}

/** Children must be added in path order; consecutive parts of one are summed. */
function createSizeSum(limit: number): {
  add(child: MeasuredChild): void
  sizes(): DirectorySizes
} {
  const none = { children: 0, files: 0, sizeBytes: 0 }
  let sizes: DirectorySizes = { files: 0, sizeBytes: 0, children: [], others: none }
  const keepLargest = (): void => {
    sizes.children.sort((a, b) => b.sizeBytes - a.sizeBytes)
    sizes = withFewer(sizes, limit)
  }
  let last: MeasuredChild | undefined
  return {
    add: (child) => {
      sizes.files += child.files
      sizes.sizeBytes += child.sizeBytes
      if (last?.path === child.path) {
        last.files += child.files
        last.sizeBytes += child.sizeBytes
        return
      }
      // Not at each child, as sorting takes longer than the rest.
      if (sizes.children.length >= 2 * limit) keepLargest()
      last = { ...child }
      sizes.children.push(last)
    },
    sizes: () => {
      keepLargest()
      return sizes
    },
  }
}
