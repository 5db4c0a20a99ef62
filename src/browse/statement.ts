/** Writes the attestation of an artifact, or of a part of it, as the text of an in-toto
 *  Statement. The server computed every digest in it from bytes that it received, before the
 *  artifact became visible. */
import { type Receipt, receiptType, statementType, type Subject } from '../core/attestation.ts'
import { formatWireDigest } from '../core/bytes/digest.ts'
import { type Entry, formatMode } from '../core/manifest/entry.ts'
import { formatEntry } from '../core/manifest/manifest.ts'
import { isOfPullRequest } from '../core/run/run.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { type EntryReader, findSubtree, walkSubtree } from './entries.ts'

/** The part of the artifact to attest, and the address of the server. */
interface Extent {
  /** An entry and everything below it; '' means the whole artifact, with its zip. */
  path: string
  store: string | null
}

/** Yields one piece per entry. The text for an artifact never changes, unless more facts about
 *  its run become known. Errors: not_found (no entry at the path). */
export async function* statementOf(
  reader: EntryReader,
  artifact: Artifact,
  extent: Extent,
): AsyncGenerator<string, void, undefined> {
  const { path } = extent
  yield `{"_type":"${statementType}","subject":`
  yield* arrayOf(subjectsOf(reader, artifact, path))
  const receipt = JSON.stringify(receiptOf(artifact, extent))
  yield `,"predicateType":"${receiptType}","predicate":${receipt.slice(0, -1)},"otherEntries":`
  yield* arrayOf(otherEntries(reader, artifact, path))
  yield '}}'
}

async function* subjectsOf(
  reader: EntryReader,
  artifact: Artifact,
  path: string,
): AsyncGenerator<Subject> {
  const { name, kind, zipDigest } = artifact
  // For an opaque zip, the zip is the artifact's only file and is listed as such below.
  if (path === '' && zipDigest !== null && kind !== 'opaque')
    yield { name: `${name}.zip`, digest: { sha256: zipDigest }, mediaType: 'application/zip' }
  for await (const entry of entriesOf(reader, artifact, path)) {
    if (entry.kind !== 'file') continue
    const { mode, sizeBytes, digest } = entry
    const annotations = { mode: formatMode(mode), sizeBytes }
    yield { name: entry.path, digest: { sha256: digest }, annotations }
  }
}

async function* otherEntries(
  reader: EntryReader,
  artifact: Artifact,
  path: string,
): AsyncGenerator<string> {
  if (artifact.entryCount === artifact.fileCount) return
  for await (const entry of entriesOf(reader, artifact, path))
    if (entry.kind !== 'file') yield formatEntry(entry).slice(0, -1)
}

/** Errors: not_found. */
async function* entriesOf(
  reader: EntryReader,
  artifact: Artifact,
  path: string,
): AsyncGenerator<Entry> {
  const subtree = await findSubtree(reader, artifact, path)
  for await (const { entry } of walkSubtree(reader, artifact.id, subtree)) yield entry
}

function receiptOf(artifact: Artifact, { path, store }: Extent): Omit<Receipt, 'otherEntries'> {
  const { id, name, project, runNumber, attempt, job, branch, sha, workflow, event } = artifact
  return {
    store,
    artifactId: id,
    name,
    project,
    run: runNumber,
    attempt,
    job,
    branch,
    sha,
    workflow,
    event,
    untrusted: isOfPullRequest(artifact),
    receivedAt: new Date(artifact.createdAt).toISOString(),
    treeDigest: formatWireDigest(artifact.treeDigest),
    zipDigest: artifact.zipDigest && formatWireDigest(artifact.zipDigest),
    path,
  }
}

/** Formats a JSON array without holding its values. */
async function* arrayOf(values: AsyncIterable<object | string>): AsyncGenerator<string> {
  let before = '['
  for await (const value of values) {
    yield before + JSON.stringify(value)
    before = ','
  }
  yield before === '[' ? '[]' : ']'
}
