/** Divides what a download wants into requests, since a server serves a bounded number of stored
 *  streams per request. */
import { wantsMediaType } from '../../api/negotiation.ts'
import { apiRoot } from '../../api/paths.ts'
import { encodeWants, type Want } from '../../core/bytes/blob-exchange.ts'
import { limits } from '../../core/limits.ts'
import type { ApiRequest } from '../transport/http.ts'

/** What is wanted of an artifact: entries, ascending, and for some of them only these parts. */
export interface Wants {
  ordinals: readonly number[]
  parts: ReadonlyMap<number, number[]>
}

/** Entries per request: the server holds about a kilobyte for each while it responds. */
const wantsPerRequest = 2048
/** Stored streams per request; the server's limit is twice that. */
export const streamsPerRequest = 100_000

/** Upper bound on the stored streams of a file: all parts but the last have at least the minimum
 *  length. */
export function streamsMaxOf(sizeBytes: number): number {
  const coarseBytes = Math.max(0, sizeBytes - limits.coarseAfterBytes)
  const fine = Math.floor((sizeBytes - coarseBytes) / limits.chunkMinBytes) + 1
  return coarseBytes === 0 ? fine : fine + Math.floor(coarseBytes / limits.coarseChunkMinBytes) + 1
}

/** Built when its turn comes, since the part numbers of a large file take a megabyte. */
export type WantsRequest = () => Want[]

/** The request for the parts, or for the stored streams, of what is wanted of an artifact. */
export function streamsRequest(
  what: 'parts' | 'fetch',
  { artifactId, signal }: { artifactId: number; signal: AbortSignal },
  wants: readonly Want[],
): ApiRequest {
  return {
    method: 'POST',
    path: `${apiRoot}/blobs/${what}`,
    query: { artifact: artifactId },
    headers: { 'content-type': wantsMediaType },
    body: encodeWants(wants),
    repeatable: true,
    signal,
  }
}

/** Yields requests that are small enough for the server and numerous enough to keep all
 *  connections busy. */
export function* requestsOf(
  { ordinals, parts }: Wants,
  sizeBytes: (ordinal: number) => number,
  connections: number,
): Generator<WantsRequest> {
  const entries = Math.min(wantsPerRequest, Math.ceil(ordinals.length / connections))
  let own: Want[] = []
  let streams = 0
  const take = (): WantsRequest => {
    const wants = own
    own = []
    streams = 0
    return () => wants
  }
  for (const ordinal of ordinals) {
    const wanted = parts.get(ordinal) ?? null
    const count = wanted?.length ?? streamsMaxOf(sizeBytes(ordinal))
    if (count > streamsPerRequest) {
      yield* rangesOf(ordinal, wanted, count)
      continue
    }
    if (own.length === entries || streams + count > streamsPerRequest) yield take()
    own.push({ ordinal, parts: wanted })
    streams += count
  }
  if (own.length > 0) yield take()
}

/** Requests for one large file; `wanted` null: all its parts, of which there are at most
 *  `count`. */
function* rangesOf(
  ordinal: number,
  wanted: readonly number[] | null,
  count: number,
): Generator<WantsRequest> {
  for (let first = 0; first < count; first += streamsPerRequest) {
    const size = Math.min(streamsPerRequest, count - first)
    yield () => [
      {
        ordinal,
        parts: wanted?.slice(first, first + size) ?? partRange(first, size),
      },
    ]
  }
}

export function partRange(first: number, size: number): number[] {
  return Array.from({ length: size }, (_, index) => first + index)
}
