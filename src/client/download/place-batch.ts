/** Collects files of a download into one task, as columns and one string, because sending an
 *  object per file to a worker costs more than writing the files. */
import type { FetchedHead } from '../../core/bytes/blob-exchange.ts'
import { copyCodecs, type PlaceTarget, type PlaceTask } from '../files/file-tasks.ts'

/** The tree's facts that are needed to write files. */
export interface PlaceSource {
  /** The entries that have the content of `ordinal`, itself first. */
  sharers(ordinal: number): readonly number[]
  digest(ordinal: number): Uint8Array
  target(ordinal: number): PlaceTarget
}

export interface PlaceBatch {
  readonly files: number
  add(head: FetchedHead): void
  /** Returns the task with `stored` as its bytes, and the entries of its paths in order; empties
   *  the batch. */
  take(stored: Uint8Array): { task: PlaceTask; ordinals: number[] }
}

export function createPlaceBatch(source: PlaceSource): PlaceBatch {
  let files: number[] = []
  let digests: Uint8Array[] = []
  let paths = ''
  let attributes: number[] = []
  let ordinals: number[] = []
  return {
    get files() {
      return digests.length
    },
    add: ({ ordinal, sizeBytes, lengthBytes, codec }) => {
      const sharers = source.sharers(ordinal)
      files.push(sizeBytes, lengthBytes, copyCodecs.indexOf(codec), sharers.length)
      digests.push(source.digest(ordinal))
      for (const sharer of sharers) {
        const { path, mode, modifiedAt } = source.target(sharer)
        paths += `${path}\0`
        attributes.push(mode, modifiedAt ?? Number.NaN)
        ordinals.push(sharer)
      }
    },
    take: (stored) => {
      const task: PlaceTask = {
        kind: 'place',
        files: Float64Array.from(files),
        digests: Buffer.concat(digests),
        paths,
        attributes: Float64Array.from(attributes),
        stored,
      }
      const taken = { task, ordinals }
      files = []
      digests = []
      paths = ''
      attributes = []
      ordinals = []
      return taken
    },
  }
}
