/** One header of an uploaded zip's central directory. */
import {
  type CentralHeader,
  centralFixedBytes,
  decodeCentralHeader,
  zipSignature,
} from '../../core/zip/zip-records.ts'
import type { WindowedReader } from '../staging/staged-reader.ts'
import { ZipOpaque } from './zip-opaque.ts'

export interface CentralRecord extends CentralHeader {
  raw: Buffer
  nameBytes: Buffer
  extra: Buffer
}

/** Reads the central header at `offset`, which must end by `limit`. Its bytes are valid until the
 *  reader's next read. Throws ZipOpaque when there is none. */
export async function readCentralRecord(
  reader: WindowedReader,
  offset: number,
  limit: number,
): Promise<CentralRecord> {
  if (offset + centralFixedBytes > limit) throw new ZipOpaque('its central directory is too short')
  const fixed = await reader.read(offset, centralFixedBytes)
  if (fixed.readUInt32LE(0) !== zipSignature.central) {
    throw new ZipOpaque('its central directory holds something else')
  }
  const length =
    centralFixedBytes + fixed.readUInt16LE(28) + fixed.readUInt16LE(30) + fixed.readUInt16LE(32)
  if (offset + length > limit) throw new ZipOpaque('its central directory is too short')
  const raw = await reader.read(offset, length)
  const header = decodeCentralHeader(raw, 0)!
  if (header.hasBadZip64) throw new ZipOpaque('a ZIP64 field is missing or out of range')
  return {
    ...header,
    raw,
    nameBytes: raw.subarray(header.nameAt, header.extraAt),
    extra: raw.subarray(header.extraAt, header.commentAt),
  }
}
