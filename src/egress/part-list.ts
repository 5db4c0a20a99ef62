/** The parts of wanted files, so that a client fetches only those that it lacks. */
import { type ListedParts, type Want, writeListedParts } from '../core/bytes/blob-exchange.ts'
import type { BlobPlacement } from '../core/bytes/copy.ts'
import { createByteWriter } from '../core/bytes/varint.ts'
import { tooLarge } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Metadata } from '../metadata/metadata.ts'
import { partPages } from './segments.ts'
import { rangeOf, wantedFiles } from './wanted-files.ts'

/** Lists the parts of the wanted files that are composites: all of them, or the requested ones that
 *  exist. `wants` is an encoded list. Errors: invalid_request, too_large. */
export async function listParts(
  metadata: Pick<Metadata, 'readEntries' | 'readPartDigests'>,
  artifactId: number,
  wants: Uint8Array,
): Promise<Buffer> {
  const out = createByteWriter()
  let count = 0
  for await (const { file, want } of wantedFiles(metadata, artifactId, wants)) {
    const parts = await partsOf(metadata, file.blob, want, limits.fetchedStreamsMax - count)
    count += parts.length
    writeListedParts(out, { ordinal: want.ordinal, parts })
  }
  return out.bytes()
}

/** Errors: too_large, when there are more than `limit`. */
async function partsOf(
  metadata: Pick<Metadata, 'readPartDigests'>,
  blob: BlobPlacement,
  { parts: asked }: Want,
  limit: number,
): Promise<ListedParts['parts']> {
  const parts: ListedParts['parts'] = []
  const wanted = asked === null ? null : new Set(asked)
  const { first, end } = rangeOf(asked, blob.partCount)
  let index = first
  for await (const page of partPages({ blob, first, end }, metadata.readPartDigests)) {
    for (const part of page) {
      if (wanted === null || wanted.has(index)) parts.push(part)
      index += 1
    }
    if (parts.length > limit) throw tooMany()
  }
  return parts
}

function tooMany(): Error {
  const max = limits.fetchedStreamsMax
  const reason = `more than ${max} parts in one request; split it into several`
  return tooLarge('parts of one request', max, reason)
}
