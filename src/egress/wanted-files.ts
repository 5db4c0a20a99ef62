/** The files that a client wants of an artifact (`core/bytes/blob-exchange.ts`). */
import { readWants, type Want, type WantPlace } from '../core/bytes/blob-exchange.ts'
import { invalidRequest } from '../core/errors.ts'
import { nextTurn } from '../core/turn.ts'
import type { Metadata, StoredFile } from '../metadata/metadata.ts'

/** Wants that are looked up at a time. */
const wantsAtOnce = 512

export interface WantedFile {
  file: StoredFile
  want: Want
  /** The place of the want in the list. */
  at: WantPlace
}

/** Looks up the files of an encoded list of wants, from a place in it on, some hundred at a time;
 *  pages of entries without wants are not read. Errors: invalid_request (an ordinal that is not a
 *  file), those of `readWants`. */
export async function* wantedFiles(
  metadata: Pick<Metadata, 'readEntries'>,
  artifactId: number,
  wants: Uint8Array,
  from?: WantPlace,
): AsyncGenerator<WantedFile> {
  let asked: (Want & { at: WantPlace })[] = []
  const lookUp = async function* (): AsyncGenerator<WantedFile> {
    for (let first = 0; first < asked.length;) {
      const ordinals = asked.slice(first).map(({ ordinal }) => ordinal)
      const entries = await metadata.readEntries(artifactId, ordinals)
      await nextTurn()
      for (const [index, entry] of entries.entries()) {
        const want = asked[first + index]!
        if (entry?.kind !== 'file') throw noFile(want)
        yield { file: entry, want, at: want.at }
      }
      first += entries.length
    }
    asked = []
  }
  for await (const want of readWants(wants, from)) {
    asked.push(want)
    if (asked.length === wantsAtOnce) yield* lookUp()
  }
  yield* lookUp()
}

function noFile({ ordinal }: Want): Error {
  return invalidRequest('wants', `entry ${ordinal} is not a file of the artifact`)
}

/** Returns the range of parts from the first that is wanted and can exist to the last. `wanted` is
 *  in ascending order. */
export function rangeOf(
  wanted: readonly number[] | null,
  partCount: number,
): { first: number; end: number } {
  if (wanted === null) return { first: 0, end: partCount }
  return { first: wanted[0] ?? partCount, end: Math.min(partCount, (wanted.at(-1) ?? -1) + 1) }
}
