/** The manifest of an upload in progress, kept with its session as deflated pages of canonical
 *  lines. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Digest } from '../../core/bytes/digest.ts'
import { createByteWriter } from '../../core/bytes/varint.ts'
import type { Entry } from '../../core/manifest/entry.ts'
import { limits } from '../../core/limits.ts'
import { type ManifestSummary, readEntry } from '../../core/manifest/manifest.ts'
import { type Change, parseChange } from '../../core/manifest/manifest-changes.ts'
import type { Metadata } from '../../metadata/metadata.ts'

/** A page is a whole number of manifest pages, so that these can be made from one offered page at a
 *  time: at most this many entries, and no more once it has this many bytes. With paths of 4 KiB it
 *  would otherwise have 34 MB, or 68 as a string if any character is beyond Latin-1; eight uploads
 *  of such pages ended the process. */
const offeredPageEntries: number = 8 * limits.manifestPageEntries
const offeredPageBytes = 1024 * 1024

/** Upper bound on a line, which holds at most two paths and little else. */
const lineBytesMax = limits.pathBytesMax + limits.symlinkTargetBytesMax + 128

/** Keeps lines with a session, replacing its earlier lines of the same kind. */
export interface LineKeeper {
  add(line: string): Promise<void>
  finish(): Promise<void>
}

export function createLineKeeper(
  metadata: Pick<Metadata, 'stageOffered' | 'dropOffered'>,
  sessionId: string,
  kind: 'entries' | 'changes',
): LineKeeper {
  let pages = 0
  let lines = 0
  let text = createByteWriter()
  const flush = async (): Promise<void> => {
    if (lines === 0) return
    const page = deflateRawSync(text.bytes(), { level: 1 })
    await metadata.stageOffered(sessionId, kind, pages, page)
    pages += 1
    lines = 0
    text = createByteWriter()
  }
  return {
    add: async (line) => {
      text.raw(Buffer.from(`${line}\n`))
      lines += 1
      const isLong = lines === offeredPageEntries || text.position() >= offeredPageBytes
      if (isLong && lines % limits.manifestPageEntries === 0) await flush()
    },
    finish: async () => {
      await flush()
      await metadata.dropOffered(sessionId, kind, pages)
    },
  }
}

/** Entries and their canonical lines, in order. */
export interface OfferedPage {
  entries: Entry[]
  lines: string[]
}

/** Yields the entries offered so far, a page at a time. They were checked when they were kept. */
export async function* readOfferedPages(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
): AsyncGenerator<OfferedPage, void, undefined> {
  for (let page = 0; ; page++) {
    const lines = await readLines(metadata, sessionId, { kind: 'entries', page })
    if (lines === undefined) return
    yield { entries: lines.map((line) => readEntry(line)), lines }
  }
}

/** Returns the changes offered instead of entries; `changesBytesMax` bounds them. */
export async function readOfferedChanges(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
): Promise<Change[]> {
  const changes: Change[] = []
  for (let page = 0; ; page++) {
    const lines = await readLines(metadata, sessionId, { kind: 'changes', page })
    if (lines === undefined) return changes
    for (const line of lines) changes.push(parseChange(line))
  }
}

async function readLines(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
  { kind, page }: { kind: 'entries' | 'changes'; page: number },
): Promise<string[] | undefined> {
  const bytes = await metadata.readOffered(sessionId, kind, page)
  if (bytes === undefined) return undefined
  const text = inflateRawSync(bytes, { maxOutputLength: offeredPageEntries * lineBytesMax })
  const lines = text.toString().split('\n')
  lines.pop()
  return lines
}

/** An offered tree: as a whole, or as changes to the manifest `base`, which the session has
 *  leased. */
export type OfferedTree =
  | (ManifestSummary & { base?: undefined })
  | { treeDigest: Digest; base: number }

/** Called once everything that makes up the tree has been kept. */
export async function keepOfferedTree(
  metadata: Pick<Metadata, 'stageOffered'>,
  sessionId: string,
  tree: OfferedTree,
): Promise<void> {
  await metadata.stageOffered(sessionId, 'summary', 0, Buffer.from(JSON.stringify(tree)))
}

export async function readOfferedTree(
  metadata: Pick<Metadata, 'readOffered'>,
  sessionId: string,
): Promise<OfferedTree | undefined> {
  const bytes = await metadata.readOffered(sessionId, 'summary', 0)
  return bytes && (JSON.parse(Buffer.from(bytes).toString()) as OfferedTree)
}
