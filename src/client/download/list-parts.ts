/** Lists the parts of an artifact's large files, as the server stores them. */
import { type ListedParts, readListedParts, type Want } from '../../core/bytes/blob-exchange.ts'
import { createByteReader } from '../../core/bytes/varint.ts'
import { requestBytes, type ServerAccess } from '../transport/http.ts'
import { decoded } from '../transport/foreign-answer.ts'
import {
  partRange,
  requestsOf,
  streamsMaxOf,
  streamsPerRequest,
  streamsRequest,
} from './wanted-streams.ts'

export interface ListedArtifact {
  server: ServerAccess
  artifactId: number
  /** Content bytes of an entry. */
  sizeBytes(ordinal: number): number
  signal: AbortSignal
}

/** Returns all parts of each file that has any, using several requests when there are many.
 *  `ordinals` ascend. */
export async function listParts(
  artifact: ListedArtifact,
  ordinals: readonly number[],
): Promise<ListedParts[]> {
  const isShort = (ordinal: number): boolean =>
    streamsMaxOf(artifact.sizeBytes(ordinal)) <= streamsPerRequest
  const wants = { ordinals: ordinals.filter(isShort), parts: new Map<number, number[]>() }
  const listed: ListedParts[] = []
  for (const request of requestsOf(wants, artifact.sizeBytes, 1))
    listed.push(...(await ask(artifact, request())))
  for (const ordinal of ordinals)
    if (!isShort(ordinal)) listed.push(await listLong(artifact, ordinal))
  return listed.filter(({ parts }) => parts.length > 0)
}

/** Sends no more requests than the file can have parts for, whatever the server responds. */
async function listLong(artifact: ListedArtifact, ordinal: number): Promise<ListedParts> {
  const parts: ListedParts['parts'] = []
  const partsMax = streamsMaxOf(artifact.sizeBytes(ordinal))
  for (let first = 0; first < partsMax; first += streamsPerRequest) {
    const [own] = await ask(artifact, [{ ordinal, parts: partRange(first, streamsPerRequest) }])
    for (const part of own?.parts ?? []) parts.push(part)
    if (parts.length < first + streamsPerRequest) break
  }
  return { ordinal, parts }
}

async function ask(artifact: ListedArtifact, wants: readonly Want[]): Promise<ListedParts[]> {
  const bytes = await requestBytes(artifact.server, streamsRequest('parts', artifact, wants))
  const asked = new Set(wants.map(({ ordinal }) => ordinal))
  return await decoded(artifact.server, () => {
    const reader = createByteReader(bytes)
    const listed: ListedParts[] = []
    while (!reader.atEnd()) {
      const own = readListedParts(reader)
      if (!asked.has(own.ordinal)) throw new RangeError(`entry ${own.ordinal} was not asked for`)
      listed.push(own)
    }
    return listed
  })
}
