/** The text of a tar.gz: headers and padding, gathered until content follows and then deflated by ourselves
 *  (`fixed-deflate.ts`). Either as bytes, or only as their length, for which most headers need not be made. */
import { crc32 } from '../core/crc32.ts'
import type { StoredEntry } from '../metadata/metadata.ts'
import {
  createFixedMeter,
  encodeFixedBlock,
  type FixedLength,
  measureFixed,
} from './fixed-deflate.ts'
import { literal, type Segment } from './segments.ts'
import { tarHeader, tarHeaderShape } from './tar-header.ts'

export interface TarText {
  /** False where nobody reads the checksum: combining it takes longer than all the rest of measuring. */
  readonly sums: boolean
  /** Of what was gathered since the last flush. */
  readonly lengthBytes: number
  /** `modifiedAt`: whole seconds since the epoch. */
  addHeader(entry: StoredEntry, modifiedAt: number | null): void
  addNuls(count: number): void
  /** Deflates what was gathered. `crc32` is that of what came before; answers that of all. */
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

/** Of the end of an archive, the longest run. */
const nuls = Buffer.alloc(1024)

/** Its segments cannot be read, and the checksum stays as it was. */
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
