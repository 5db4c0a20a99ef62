/** Plans how the pieces of a read window are read from packs. */
import type { Copy } from '../core/bytes/copy.ts'
import { limits } from '../core/limits.ts'

/** Gap bytes that one window reads through to merge reads; they are held as long as the window. */
const windowGapBytesMax = limits.readWindowBytes / 4

/** The bytes `[from, to)` of check page `page` of a copy. */
export interface PageCut {
  copy: Copy
  page: number
  from: number
  to: number
  path: string | null
}
export type Piece = Buffer | PageCut

/** One read of a pack, which serves the pieces `indexes` of the window. */
export interface PackRead {
  packName: string
  start: number
  end: number
  indexes: number[]
}

export function pageBytes(cut: PageCut): number {
  return Math.min(cut.copy.lengthBytes - cut.page * limits.checkPageBytes, limits.checkPageBytes)
}

export function heldBytes(piece: Piece): number {
  return Buffer.isBuffer(piece) ? piece.length : pageBytes(piece)
}

export function packOffset(cut: PageCut): number {
  return cut.copy.offset + cut.page * limits.checkPageBytes
}

/** Plans the reads of a window: pages sorted by place, neighbours merged over gaps that are cheaper
 *  to read through than to seek past. */
export function planReads(window: Piece[]): PackRead[] {
  const indexes = window.flatMap((piece, index) => (Buffer.isBuffer(piece) ? [] : [index]))
  const cutAt = (index: number): PageCut => window[index] as PageCut
  indexes.sort((a, b) => comparePlaces(cutAt(a), cutAt(b)))
  const reads: PackRead[] = []
  let gapBytes = 0
  for (const index of indexes) {
    const cut = cutAt(index)
    const start = packOffset(cut)
    const end = start + pageBytes(cut)
    const last = reads.at(-1)
    const gap = last === undefined ? 0 : Math.max(start - last.end, 0)
    if (
      last?.packName === cut.copy.packName &&
      gap <= limits.readGapBytes &&
      gapBytes + gap <= windowGapBytesMax
    ) {
      last.end = Math.max(last.end, end)
      last.indexes.push(index)
      gapBytes += gap
    } else {
      reads.push({ packName: cut.copy.packName, start, end, indexes: [index] })
    }
  }
  return reads
}

function comparePlaces(a: PageCut, b: PageCut): number {
  if (a.copy.packName !== b.copy.packName) return a.copy.packName < b.copy.packName ? -1 : 1
  return packOffset(a) - packOffset(b)
}
