/** Artifacts as a whole: listing, deleting, keeping. */
import type {
  WireArtifact,
  WireArtifactDetail,
  WireArtifactList,
  WireBulkDeletion,
} from '../api/messages.ts'
import { apiRoot, artifactPath } from '../api/paths.ts'
import { openAnswer, requestJson, type ServerAccess } from './transport/http.ts'

export interface ListOptions {
  project?: string | null
  run?: number
  name?: string
  branch?: string
  state?: 'available' | 'damaged' | 'expired' | 'deleted' | 'any'
  sort?: 'newest' | 'oldest' | 'largest' | 'expiring'
  signal?: AbortSignal
}

const pageItems = 200

/** Errors: those of `openAnswer`. */
export async function* listArtifacts(
  server: ServerAccess,
  { signal, ...filter }: ListOptions,
): AsyncGenerator<WireArtifact, void, undefined> {
  let cursor: string | null = null
  do {
    const query: Record<string, string | number | null | undefined> = {
      ...filter,
      limit: pageItems,
      cursor,
    }
    const request = { path: `${apiRoot}/artifacts`, query, ...(signal !== undefined && { signal }) }
    const page: WireArtifactList = await requestJson(server, request, ['items', 'nextCursor'])
    yield* page.items
    cursor = page.nextCursor
  } while (cursor !== null)
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, forbidden. */
export async function removeArtifact(
  server: ServerAccess,
  artifactId: number,
  signal?: AbortSignal,
): Promise<void> {
  const request = {
    method: 'DELETE' as const,
    path: artifactPath(artifactId),
    ...(signal !== undefined && { signal }),
  }
  const answer = await openAnswer(server, request)
  answer.discard()
}

/** Deletes all of them or, when one may not be deleted, none; what they free together is counted once. With `dryRun` says
 *  so and deletes none. Errors: artifact_not_found (also for what has ended), forbidden, too_large. */
export async function removeArtifacts(
  server: ServerAccess,
  ids: readonly number[],
  { dryRun = false, signal }: { dryRun?: boolean; signal?: AbortSignal },
): Promise<WireBulkDeletion> {
  const request = {
    method: 'POST' as const,
    path: `${apiRoot}/artifacts/bulk-delete`,
    json: { ids, dryRun },
    ...(signal !== undefined && { signal }),
  }
  return await requestJson(server, request, ['items', 'freedBytes'])
}

/** Takes a delete back. Errors: artifact_not_found, artifact_deleted (too late), artifact_expired, name_taken, forbidden. */
export async function restoreArtifact(
  server: ServerAccess,
  artifactId: number,
  signal?: AbortSignal,
): Promise<WireArtifactDetail> {
  const request = {
    method: 'POST' as const,
    path: `${artifactPath(artifactId)}/undelete`,
    ...(signal !== undefined && { signal }),
  }
  return await requestJson(server, request, ['id', 'state'])
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, forbidden. */
export async function changeRetention(
  server: ServerAccess,
  artifactId: number,
  change: { pinned?: boolean; expiresAt?: string },
  signal?: AbortSignal,
): Promise<WireArtifactDetail> {
  const path = artifactPath(artifactId)
  const request = {
    method: 'PATCH' as const,
    path,
    json: change,
    repeatable: true,
    ...(signal !== undefined && { signal }),
  }
  return await requestJson(server, request, ['id', 'state'])
}
