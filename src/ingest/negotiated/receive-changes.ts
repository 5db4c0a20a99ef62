/** Receives changes to a tree that the project has, instead of a whole manifest. The base tree is
 *  leased for the duration of the session, so unchanged entries are neither queried nor leased. The
 *  result is verified at the commit. */
import type { Readable } from 'node:stream'
import { encodeOrdinals } from '../../core/bytes/blob-exchange.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { comparePaths } from '../../core/manifest/entry.ts'
import { notFound } from '../../core/errors.ts'
import { outOfOrder } from '../../core/manifest/manifest.ts'
import {
  changedPath,
  changesBytesMax,
  changesHeader,
  parseChange,
} from '../../core/manifest/manifest-changes.ts'
import type { IngestPorts } from '../session.ts'
import { createClaims } from './claims.ts'
import type { ManifestEncoding } from './job.ts'
import { createLineKeeper, keepOfferedTree } from './offered-entries.ts'
import { offeredLines } from './offered-lines.ts'

/** Keeps the changes with the session; returns the ordinals of missing files, among the entries in
 *  the changes.
 *  Errors: not_found (the project has no such base), invalid_request, unsafe_path, duplicate_path,
 *  too_large. */
export async function receiveChanges(
  ports: IngestPorts,
  job: { sessionId: string; treeDigest: Digest; base: Digest; encoding: ManifestEncoding },
  body: Readable,
): Promise<Uint8Array> {
  const { metadata } = ports
  const { sessionId, treeDigest, encoding } = job
  const base = await metadata.leaseKnownTree(sessionId, job.base, ports.now())
  if (base === undefined) {
    const what = `tree sha256:${job.base}`
    throw notFound(what, `the project does not have ${what}, the base of the changes`)
  }
  await metadata.dropOffered(sessionId, 'summary', 0)
  const claims = createClaims(ports, sessionId)
  const keeper = createLineKeeper(metadata, sessionId, 'changes')
  const how = { encoding, header: changesHeader, textBytesMax: changesBytesMax }
  let ordinal = 0
  let previous = ''
  for await (const line of offeredLines(body, how)) {
    const change = parseChange(line)
    const path = changedPath(change)
    if (comparePaths(previous, path) >= 0) throw outOfOrder(path)
    previous = path
    if (change.kind === 'entry') {
      if (change.entry.kind === 'file') await claims.add(ordinal, change.entry)
      ordinal += 1
    }
    await keeper.add(line)
  }
  await keeper.finish()
  await keepOfferedTree(metadata, sessionId, { treeDigest, base })
  return encodeOrdinals(await claims.missing())
}
