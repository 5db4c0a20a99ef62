/** Sums the sizes of files by child of a directory. Only the sums leave this thread. */
import { comparePaths } from '../../../core/manifest/entry.ts'
import { afterSlash } from '../../../core/manifest/list-children.ts'
import type { MeasuredChild, MeasuredStretch, TreeMetadata } from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { prepareRows } from '../connection/rows.ts'
import { createPages, createSourceFinder, isPast, removedError } from './manifest-source.ts'

export function createMeasuring(
  connection: Connection,
): (...asked: Parameters<TreeMetadata['measureDirectory']>) => MeasuredStretch {
  const findSource = createSourceFinder(connection)
  const pages = createPages(connection)
  const readSizes = prepareRows<[string], [id: number, sizeBytes: number]>(
    connection,
    'b.id, b.size_bytes',
    'FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value',
  )
  return (artifactId, directory, from) => {
    const source = findSource(artifactId)
    if (source.removedAt !== null) throw removedError(source)
    const prefix = directory === '' ? '' : `${directory}/`
    const page = from ?? pages.findFrom(source, prefix)
    if (page === undefined) return { children: [], next: null }
    const entries = pages.read(source, page)
    const files = entries.flatMap((entry) =>
      entry.kind === 'file' && entry.path.startsWith(prefix) ? [entry] : [],
    )
    const sizes = new Map(readSizes(JSON.stringify(files.map(({ blobId }) => blobId))))
    const children: MeasuredChild[] = []
    for (const { path, blobId } of files) {
      const sizeBytes = sizes.get(blobId)
      if (sizeBytes === undefined) throw removedError(source)
      const slash = path.indexOf('/', prefix.length)
      const kind = slash === -1 ? 'file' : 'directory'
      add(children, { kind, path: slash === -1 ? path : path.slice(0, slash), files: 1, sizeBytes })
    }
    const last = entries.at(-1)!.path
    const isBehind = directory !== '' && comparePaths(last, `${directory}${afterSlash}`) >= 0
    const isEnd = isBehind || isPast(source.entryCount, page + 1)
    return { children, next: isEnd ? null : page + 1 }
  }
}

/** Adds to the sum of the last child if it is the same. */
function add(children: MeasuredChild[], child: MeasuredChild): void {
  const last = children.at(-1)
  if (last?.path !== child.path) {
    children.push(child)
    return
  }
  last.files += child.files
  last.sizeBytes += child.sizeBytes
}
