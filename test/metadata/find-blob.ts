/** Looks a blob up by its digest, behind the port: no caller of the port may know a blob by its
 *  digest alone (invariant 10). */
import type { BlobPlacement } from '../../src/core/bytes/copy.ts'
import { type Digest, digestToBytes } from '../../src/core/bytes/digest.ts'
import {
  createPlacing,
  placementColumns,
  placementJoin,
  type PlacementTuple,
} from '../../src/metadata/sqlite/blobs/placement.ts'
import { openConnection } from '../../src/metadata/sqlite/connection/connection.ts'
import { prepareRows } from '../../src/metadata/sqlite/connection/rows.ts'

/** `path` is that of the database. Undefined for a blob that is about to be swept. */
export async function findBlob(path: string, digest: Digest): Promise<BlobPlacement | undefined> {
  const connection = openConnection({ path, isReader: true })
  try {
    const source = `FROM blobs b ${placementJoin} WHERE b.digest = ? AND b.state < 2`
    const find = prepareRows<[Buffer], PlacementTuple>(connection, placementColumns, source)
    const [row] = find(digestToBytes(digest))
    return row && createPlacing(connection).toPlacement(row)
  } finally {
    connection.close()
  }
}
