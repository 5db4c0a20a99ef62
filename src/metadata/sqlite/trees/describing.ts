/** Entries in wire form: with digests and sizes, without the places of their bytes. */
import type { Digest } from '../../../core/bytes/digest.ts'
import type { Entry } from '../../../core/manifest/entry.ts'
import type { Place } from '../../../core/manifest/list-children.ts'
import type { PageEntry } from '../../manifest-page.ts'
import type { ComparedEntry } from '../../trees.ts'
import type { Connection } from '../connection/connection.ts'
import { prepareRows } from '../connection/rows.ts'
import { createPages, removedError, type Source } from './manifest-source.ts'

/** Returns a function that adds to entries of a tree the digests and sizes of their blobs.
 *  Errors: artifact_expired, artifact_deleted. */
export function createDescribing(
  connection: Connection,
): (source: Source, entries: readonly PageEntry[]) => Entry[] {
  const blobs = prepareRows<[string], [blobId: number, digest: Digest, sizeBytes: number]>(
    connection,
    'b.id, lower(hex(b.digest)), b.size_bytes',
    'FROM json_each(?) j CROSS JOIN blobs b ON b.id = j.value',
  )
  return (source, entries) => {
    const ids = new Set<number>()
    for (const entry of entries) if (entry.kind === 'file') ids.add(entry.blobId)
    const found = new Map(blobs(JSON.stringify([...ids])).map((row) => [row[0], row]))
    if (found.size < ids.size) throw removedError(source)
    return entries.map((entry) => {
      if (entry.kind !== 'file') return entry
      const { path, mode, blobId } = entry
      const [, digest, sizeBytes] = found.get(blobId)!
      return { kind: 'file', path, mode, digest, sizeBytes }
    })
  }
}

/** Returns a function that describes some entries of a tree, with their times. */
export function createFoundDescribing(
  connection: Connection,
): (source: Source, found: readonly Place<PageEntry>[]) => ComparedEntry[] {
  const pages = createPages(connection)
  const describe = createDescribing(connection)
  return (source, found) => {
    if (found.length === 0) return []
    const entries = describe(
      source,
      found.map(({ entry }) => entry),
    )
    const timeOf = pages.createTimeReader(source)
    return found.map(({ page, index }, at) => ({
      entry: entries[at]!,
      modifiedAt: timeOf(page, index),
    }))
  }
}
