/** Where the bytes of a directory are: its children by size. */
import { noSuchPath } from './no-such-path.ts'
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
  const found = await reader.findEntry(artifact.id, path)
  if (found?.entry.kind !== 'file') throw noSuchPath(artifact, path)
  const { kind, sizeBytes } = found.entry
  return { ...sizes, files: 1, sizeBytes, children: [{ kind, path, files: 1, sizeBytes }] }
}

/** Children must be added in path order; consecutive parts of one are summed. */
function createSizeSum(limit: number): {
  add(child: MeasuredChild): void
  sizes(): DirectorySizes
} {
  const kept: MeasuredChild[] = []
  const others = { children: 0, files: 0, sizeBytes: 0 }
  const total = { files: 0, sizeBytes: 0 }
  /** Sorting stably, and only when as many again have gathered, takes constant time per child. */
  const keepLargest = (): void => {
    kept.sort((a, b) => b.sizeBytes - a.sizeBytes)
    for (const child of kept.splice(limit)) {
      others.children += 1
      others.files += child.files
      others.sizeBytes += child.sizeBytes
    }
  }
  let last: MeasuredChild | undefined
  return {
    add: (child) => {
      total.files += child.files
      total.sizeBytes += child.sizeBytes
      if (last?.path === child.path) {
        last.files += child.files
        last.sizeBytes += child.sizeBytes
        return
      }
      if (kept.length >= 2 * limit) keepLargest()
      last = { ...child }
      kept.push(last)
    },
    sizes: () => {
      keepLargest()
      return { ...total, children: kept, others }
    },
  }
}
