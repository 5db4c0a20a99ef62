/** The manifest of an upload under way: kept with its session as pages of canonical lines, deflated. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Entry } from '../../core/entry.ts'
import { limits } from '../../core/limits.ts'
import { type ManifestSummary, readEntry } from '../../core/manifest.ts'
import type { Metadata } from '../../metadata/metadata.ts'

/** A whole number of manifest pages, so that those can be made one offered page at a time. */
export const offeredPageEntries: number = 8 * limits.manifestPageEntries

/** A line holds two paths at most and little else. */
const lineBytesMax = limits.pathBytesMax + limits.symlinkTargetBytesMax + 128

export function encodeOfferedPage(lines: string): Buffer {
  return deflateRawSync(lines, { level: 1 })
}

/** Entries and their canonical lines, in order. */
export interface OfferedPage {
  entries: Entry[]
  lines: string[]
}

/** The entries offered so far, a page at a time. They were judged when they were kept. */
export async function* readOfferedPages(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
): AsyncGenerator<OfferedPage, void, undefined> {
  for (let page = 0; ; page++) {
    const bytes = await metadata.readOffered(sessionId, 'entries', page)
    if (bytes === undefined) return
    const text = inflateRawSync(bytes, { maxOutputLength: offeredPageEntries * lineBytesMax })
    const lines = text.toString().split('\n')
    lines.pop()
    yield { entries: lines.map((line) => readEntry(line)), lines }
  }
}

/** Kept once the manifest is there whole and has the digest that it was offered under. */
export async function keepSummary(
  metadata: Pick<Metadata, 'stageOffered'>,
  sessionId: string,
  summary: ManifestSummary,
): Promise<void> {
  await metadata.stageOffered(sessionId, 'summary', 0, Buffer.from(JSON.stringify(summary)))
}

export async function readSummary(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
): Promise<ManifestSummary | undefined> {
  const bytes = await metadata.readOffered(sessionId, 'summary', 0)
  return bytes && (JSON.parse(Buffer.from(bytes).toString()) as ManifestSummary)
}
