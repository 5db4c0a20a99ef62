/** How an artifact looks to GitHub's clients: the size and digest of the bytes that they will be sent, and the handle
 *  under which they ask for it. */
import type { Digest } from '../core/digest.ts'
import type { Artifact, Metadata } from '../metadata/metadata.ts'
import { needsZip, type ClientKind } from './user-agent.ts'

export interface StockForm {
  sizeBytes: number
  /** Null where the digest of what is sent is not known; the client then checks nothing. */
  digest: Digest | null
}

/** A raw artifact is its file, except for clients that get it wrapped: they are given no digest, since the one they would
 *  compare is the wrapper's (GITHUB-PROTOCOL §11.4). */
export async function stockFormOf(
  metadata: Pick<Metadata, 'readEntryPage'>,
  artifact: Artifact,
  client: ClientKind,
): Promise<StockForm> {
  if (artifact.kind !== 'raw') return { sizeBytes: artifact.zipBytes, digest: artifact.zipDigest }
  const entry = (await metadata.readEntryPage(artifact.id, 0))?.entries[0]
  if (entry?.kind !== 'file') throw new Error(`raw artifact ${artifact.id} has no file`)
  return { sizeBytes: entry.sizeBytes, digest: needsZip(client) ? null : entry.digest }
}

/** What ListArtifacts answers as job id. Clients repeat it when they ask for the artifact, which tells apart artifacts of
 *  one name (GITHUB-PROTOCOL §6.3). `@` never occurs in the job id of a token, where it is escaped. */
export function formatHandle(artifactId: number): string {
  return `@${artifactId}`
}

/** The artifact id of a handle; undefined for a job's own id. */
export function parseHandle(backendJobId: string): number | undefined {
  return /^@[1-9]\d{0,15}$/.test(backendJobId) ? Number(backendJobId.slice(1)) : undefined
}
