/** How an artifact appears to GitHub's clients: the size and digest of the bytes they will be
 *  sent, and the handle by which they request it. */
import type { Digest } from '../core/bytes/digest.ts'
import { isArtifactGone } from '../core/errors.ts'
import type { Artifact, Metadata } from '../metadata/metadata.ts'
import { needsZip, type ClientKind } from './user-agent.ts'

export interface StockForm {
  sizeBytes: number
  /** Null if the digest of what will be sent is unknown; the client then verifies nothing. */
  digest: Digest | null
}

/** A raw artifact is its file. Clients that need it wrapped in a zip get no digest, since they
 *  would compare it with that of the zip (GITHUB-PROTOCOL §11.4). */
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

/** The same for an artifact of a list; undefined if it has ended since it was listed. */
export async function findStockForm(
  ...asked: Parameters<typeof stockFormOf>
): Promise<StockForm | undefined> {
  try {
    return await stockFormOf(...asked)
  } catch (error) {
    if (isArtifactGone(error)) return undefined
    throw error
  }
}

/** The value that ListArtifacts returns as job id. Clients repeat it when they request the
 *  artifact, which distinguishes artifacts of one name (GITHUB-PROTOCOL §6.3). `@` is escaped in
 *  the job id of a token, so the two never collide. */
export function formatHandle(artifactId: number): string {
  return `@${artifactId}`
}

/** Returns the artifact id of a handle; undefined for a job's own id. */
export function parseHandle(backendJobId: string): number | undefined {
  return /^@[1-9]\d{0,15}$/.test(backendJobId) ? Number(backendJobId.slice(1)) : undefined
}
