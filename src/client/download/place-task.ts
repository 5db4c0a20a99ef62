/** Tasks that write whole files of a download (files/place-files.ts). */
import { copyCodecs, type FetchedHead } from '../../core/bytes/blob-exchange.ts'
import type { PlaceTarget, PlaceTask } from '../files/file-tasks.ts'

/** The tree's facts that are needed to write files. */
export interface PlaceSource {
  /** The entries that have the content of `ordinal`, itself first. */
  sharers(ordinal: number): readonly number[]
  digest(ordinal: number): Uint8Array
  target(ordinal: number): PlaceTarget
}

/** Describes files whose bytes are `stored` as one task, in columns and one string, because sending
 *  an object per file to a worker costs more than writing the files. Also returns the entries of
 *  its paths, in order. */
export function placeTaskOf(
  heads: readonly FetchedHead[],
  source: PlaceSource,
  stored: Uint8Array,
): { task: PlaceTask; ordinals: number[] } {
  const files: number[] = []
  const attributes: number[] = []
  const ordinals: number[] = []
  let paths = ''
  for (const { ordinal, sizeBytes, lengthBytes, codec } of heads) {
    const sharers = source.sharers(ordinal)
    files.push(sizeBytes, lengthBytes, copyCodecs.indexOf(codec), sharers.length)
    for (const sharer of sharers) {
      const { path, mode, modifiedAt } = source.target(sharer)
      paths += `${path}\0`
      attributes.push(mode, modifiedAt ?? Number.NaN)
      ordinals.push(sharer)
    }
  }
  const task: PlaceTask = {
    kind: 'place',
    files: Float64Array.from(files),
    digests: Buffer.concat(heads.map(({ ordinal }) => source.digest(ordinal))),
    paths,
    attributes: Float64Array.from(attributes),
    stored,
  }
  return { task, ordinals }
}
