/** Inserts the references of a staged manifest to blobs, page by page. */
import { blobState } from '../../../../schema/content.ts'
import type { BlobPlacement } from '../../../core/bytes/copy.ts'
import type { Digest } from '../../../core/bytes/digest.ts'
import type { Entry } from '../../../core/manifest/entry.ts'
import { lengthMismatch, notFound } from '../../../core/errors.ts'
import type { PageEntry, StoredEntry } from '../../metadata.ts'
import type { Connection } from '../connection/connection.ts'
import {
  type PlacementTuple,
  createPlacing,
  placementColumns,
  placementJoin,
} from '../blobs/placement.ts'
import { prepareRows } from '../connection/rows.ts'
import type { SessionRow } from '../blobs/leases.ts'
import { createUniqueByteCounting } from '../blobs/unique-bytes.ts'

type FileEntry = Extract<Entry, { kind: 'file' }>
type HeldFile = Extract<PageEntry, { kind: 'file' }>

/** Returns a function that makes a staged manifest refer to the blobs of entries, and returns
 *  the entries with the places of these blobs.
 *  Errors: not_found (a blob that cannot be read, or that the session has not leased),
 *  length_mismatch. */
export function createReferenceInsertion(
  connection: Connection,
): (session: SessionRow, manifestId: number, entries: (Entry | PageEntry)[]) => StoredEntry[] {
  const { prepare } = connection
  const uniqueBytes = createUniqueByteCounting(connection)
  // Blobs of entries that name a digest.
  const findLeased = createFinder(
    connection,
    `CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
     CROSS JOIN leases l ON l.session_id = ? AND l.blob_id = b.id
     ${placementJoin}
     WHERE b.state = ${blobState.live}`,
  )
  // Blobs of entries that come from a leased manifest.
  const findHeld = createFinder(
    connection,
    `CROSS JOIN blobs b ON b.id = j.value
     ${placementJoin}
     WHERE b.state = ${blobState.live} AND EXISTS (SELECT 1 FROM manifest_leases l
       CROSS JOIN "references" r ON r.manifest_id = l.manifest_id AND r.blob_id = b.id
       WHERE l.session_id = ?)`,
  )
  const insert = prepare<[number, number, string]>(
    `INSERT OR IGNORE INTO "references" (manifest_id, blob_id, project_id)
     SELECT ?, j.value, ? FROM json_each(?) j`,
  )
  const countFresh = prepare<[number, number, number]>(
    `UPDATE manifests SET fresh_bytes = fresh_bytes + ?, project_fresh_bytes = project_fresh_bytes + ?
     WHERE id = ?`,
  )
  return (session, manifestId, entries) => {
    const digests = new Set<Digest>()
    const heldIds = new Set<number>()
    for (const entry of entries) {
      if (entry.kind !== 'file') continue
      if ('blobId' in entry) heldIds.add(entry.blobId)
      else digests.add(entry.digest)
    }
    const leased = new Map(findLeased(session, digests).map((blob) => [blob.digest, blob]))
    const held = new Map(findHeld(session, heldIds).map((blob) => [blob.blobId, blob]))
    const placed = entries.map((entry): StoredEntry => {
      if (entry.kind !== 'file') return entry
      return 'blobId' in entry ? placeHeld(entry, held) : placeFile(entry, leased)
    })
    const ids = new Set([...leased.values(), ...held.values()].map((blob) => blob.blobId))
    const list = JSON.stringify([...ids].toSorted((a, b) => a - b))
    const { projectId } = session
    const fresh = uniqueBytes.unreferenced(projectId, list)
    insert.run(manifestId, projectId, list)
    countFresh.run(fresh.store, fresh.project, manifestId)
    uniqueBytes.add(projectId, fresh)
    return placed
  }
}

/** Returns a function that finds the live blobs of a list `j` that a session may refer to. */
function createFinder(
  connection: Connection,
  source: string,
): (session: SessionRow, keys: ReadonlySet<Digest | number>) => BlobPlacement[] {
  const { toPlacement } = createPlacing(connection)
  const find = prepareRows<[string, number], PlacementTuple>(
    connection,
    placementColumns,
    `FROM json_each(?) j ${source}`,
  )
  return ({ id }, keys) =>
    keys.size === 0 ? [] : find(JSON.stringify([...keys]), id).map(toPlacement)
}

function placeFile(
  { kind, path, mode, digest, sizeBytes }: FileEntry,
  blobs: ReadonlyMap<Digest, BlobPlacement>,
): StoredEntry {
  const blob = blobs.get(digest)
  if (blob === undefined) {
    throw notFound(`blob sha256:${digest}`, `no readable blob ${digest} for ${path}`)
  }
  if (sizeBytes !== blob.sizeBytes) {
    throw lengthMismatch(
      `${path} was announced with ${sizeBytes} bytes, but its digest is that of ${blob.sizeBytes} bytes`,
      blob.sizeBytes,
      sizeBytes,
    )
  }
  return { kind, path, mode, digest, sizeBytes, blob }
}

function placeHeld(
  { kind, path, mode, blobId }: HeldFile,
  blobs: ReadonlyMap<number, BlobPlacement>,
): StoredEntry {
  const blob = blobs.get(blobId)
  if (blob === undefined) throw notFound(`blob ${blobId}`, `no readable blob for ${path}`)
  const { digest, sizeBytes } = blob
  return { kind, path, mode, digest, sizeBytes, blob }
}
