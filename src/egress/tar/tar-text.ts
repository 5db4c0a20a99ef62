/** The text of a tar.gz: headers and padding, gathered until content follows and then deflated
 *  (`fixed-deflate.ts`). Two implementations: one makes the bytes, the other only their length, for
 *  which most headers need not be made. */
import { crc32 } from '../../core/bytes/crc32.ts'
import type { StoredEntry } from '../../metadata/metadata.ts'
import {
  createFixedMeter,
  encodeFixedBlock,
  type FixedLength,
  measureFixed,
} from './fixed-deflate.ts'
import { literal, type Segment } from '../segments.ts'
import { tarHeader, tarHeaderShape } from './tar-header.ts'

export interface TarText {
  /** False when the checksum is not needed: combining it takes longer than all the rest of
   *  measuring. */
  readonly sums: boolean
  /** Length of the text gathered since the last flush. */
  readonly lengthBytes: number
  /** `modifiedAt`: whole seconds since the epoch. */
  addHeader(entry: StoredEntry, modifiedAt: number | null): void
  addNuls(count: number): void
  /** Deflates the gathered text. Takes the CRC-32 of everything before, and returns that of
   *  everything so far. */
  flush(ending: 'open' | 'final', crc32: number): { segment: Segment; crc32: number }
}

export function createEmittedText(): TarText {
  let pieces: Buffer[] = []
  let lengthBytes = 0
  const add = (bytes: Buffer): void => {
    pieces.push(bytes)
    lengthBytes += bytes.length
  }
  return {
    sums: true,
    get lengthBytes() {
      return lengthBytes
    },
    addHeader: (entry, modifiedAt) => add(tarHeader(entry, modifiedAt)),
    addNuls: (count) => add(nuls.subarray(0, count)),
    flush: (ending, before) => {
      const text = Buffer.concat(pieces)
      pieces = []
      lengthBytes = 0
      return { segment: literal(encodeFixedBlock(text, ending)), crc32: crc32(text, before) }
    },
  }
}

/** As many as the end of an archive has, the longest run. */
const nuls = Buffer.alloc(1024)

/** Its segments cannot be read, and it leaves the checksum unchanged. */
export function createMeasuredText(): TarText {
  const meter = createFixedMeter()
  return {
    sums: false,
    get lengthBytes() {
      return meter.lengthBytes
    },
    addHeader: (entry) => meter.add(headerLength(entry)),
    addNuls: (count) => meter.addNuls(count),
    flush: (ending, before) => {
      const segment: Segment = {
        kind: 'deferred',
        lengthBytes: meter.takeBlock(ending),
        open: () => {
          throw new Error('text is not read while measuring')
        },
      }
      return { segment, crc32: before }
    },
  }
}

const shapesMax = 10_000
const lengths = new Map<number, FixedLength>()

function headerLength(entry: StoredEntry): FixedLength {
  const shape = tarHeaderShape(entry)
  const known = shape === undefined ? undefined : lengths.get(shape)
  if (known !== undefined) return known
  const length = measureFixed(tarHeader(entry, null))
  if (shape === undefined) return length
  if (lengths.size >= shapesMax) lengths.clear()
  lengths.set(shape, length)
  return length
}
