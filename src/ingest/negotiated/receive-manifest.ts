/** Compares a client's offer with what its project can read. The answer lists what must be sent;
 *  everything else is leased in the same statement (invariants 2 and 10). */
import type { Readable } from 'node:stream'
import { encodeOrdinals } from '../../core/bytes/blob-exchange.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import type { Entry } from '../../core/manifest/entry.ts'
import { digestMismatch } from '../../core/errors.ts'
import {
  createManifestHasher,
  createTreeCheck,
  manifestHeader,
  manifestTextBytesMax,
  parseEntry,
} from '../../core/manifest/manifest.ts'
import { byteBudget } from '../byte-budget.ts'
import { tooManyEntries } from '../entry-table.ts'
import type { IngestPorts } from '../session.ts'
import { createClaims } from './claims.ts'
import { incomplete } from './incomplete.ts'
import type { ManifestEncoding } from './job.ts'
import { faulty, offeredLines } from './offered-lines.ts'
import {
  createLineKeeper,
  keepOfferedTree,
  readOfferedChanges,
  readOfferedPages,
  readOfferedTree,
} from './offered-entries.ts'

/** Keeps the manifest with the session; returns the ordinals of missing files.
 *  Errors: invalid_request, unsafe_path, duplicate_path, too_large, digest_mismatch. */
export async function receiveManifest(
  ports: IngestPorts,
  job: { sessionId: string; treeDigest: Digest; entryCount: number; encoding: ManifestEncoding },
  body: Readable,
): Promise<Uint8Array> {
  const { metadata, settings } = ports
  const { sessionId } = job
  if (job.entryCount > settings.entriesMax) throw tooManyEntries(settings.entriesMax)
  await metadata.dropOffered(sessionId, 'summary', 0)
  const hasher = createManifestHasher()
  const checkTree = createTreeCheck()
  const claims = createClaims(ports, sessionId)
  const keeper = createLineKeeper(metadata, sessionId, 'entries')
  let ordinal = 0
  const how = { encoding: job.encoding, header: manifestHeader, textBytesMax: manifestTextBytesMax }
  for await (const line of offeredLines(body, how)) {
    if (ordinal >= job.entryCount) throw faulty('it has more entries than were announced')
    const entry = parseEntry(line)
    checkTree(entry)
    hasher.add(entry, line)
    if (entry.kind === 'file') await claims.add(ordinal, entry)
    ordinal += 1
    await keeper.add(line)
  }
  await keeper.finish()
  const summary = hasher.summary()
  const { treeDigest, logicalBytes } = summary
  if (treeDigest !== job.treeDigest) {
    const what = 'the manifest does not match the offered digest'
    throw digestMismatch(what, job.treeDigest, treeDigest)
  }
  byteBudget(settings.artifactBytesMax).count(logicalBytes)
  await keepOfferedTree(metadata, sessionId, summary)
  return encodeOrdinals(await claims.missing())
}

/** Returns the missing files again, once the manifest is known. Errors: upload_incomplete. */
export async function findMissing(
  ports: IngestPorts,
  { sessionId }: { sessionId: string },
): Promise<Uint8Array> {
  if ((await readOfferedTree(ports.metadata, sessionId)) === undefined)
    throw incomplete('manifest', 1)
  return encodeOrdinals(await claimOffered(ports, sessionId))
}

/** Leases the blob of every file that the project can read; returns the ordinals of the others,
 *  among the entries sent.
 *  Errors: length_mismatch. */
export async function claimOffered(ports: IngestPorts, sessionId: string): Promise<number[]> {
  const claims = createClaims(ports, sessionId)
  let ordinal = 0
  for await (const entries of offeredEntries(ports, sessionId)) {
    for (const entry of entries) {
      if (entry.kind === 'file') await claims.add(ordinal, entry)
      ordinal += 1
    }
  }
  return await claims.missing()
}

async function* offeredEntries(
  { metadata }: IngestPorts,
  sessionId: string,
): AsyncGenerator<Entry[]> {
  const tree = await readOfferedTree(metadata, sessionId)
  if (tree?.base === undefined) {
    for await (const { entries } of readOfferedPages(metadata, sessionId)) yield entries
  } else {
    const changes = await readOfferedChanges(metadata, sessionId)
    yield changes.flatMap((change) => (change.kind === 'entry' ? [change.entry] : []))
  }
}
