/** Operations on whole artifacts: list, find by content, delete, restore, change retention. */
import type {
  WireArtifact,
  WireBulkDeletion,
  WireHolder,
  WireRetainedArtifact,
} from '../api/messages.ts'
import type { WireFileVersion } from '../api/history-messages.ts'
import type { WireRunDetail } from '../api/run-record.ts'
import { apiRoot, artifactPath, historyPath } from '../api/paths.ts'
import { type Digest, formatWireDigest } from '../core/bytes/digest.ts'
import { hasCode, notFound } from '../core/errors.ts'
import { listItems } from './list-items.ts'
import { openAnswer, requestJson, type ServerAccess } from './transport/http.ts'

export interface ListOptions {
  /** `OWNER/REPO`. Absent or null: the token's project; all that it may read if it has none. */
  project?: string | null
  /** Number of a run. */
  run?: number | undefined
  name?: string | undefined
  branch?: string | undefined
  workflow?: string | undefined
  /** Number of the pull request that the run is about. */
  pullRequest?: number | undefined
  /** Who started the run, in any case. */
  actor?: string | undefined
  /** ISO 8601, UTC: only artifacts uploaded at this instant or later. */
  since?: string | undefined
  /** Default: available and damaged. */
  state?: 'available' | 'damaged' | 'expired' | 'deleted' | 'any'
  /** Default: `newest`. `expiring`: those that expire soonest come first. */
  sort?: 'newest' | 'oldest' | 'largest' | 'expiring'
  signal?: AbortSignal
}

export interface HolderOptions {
  /** `OWNER/REPO`. Absent or null: the token's project; all that it may read if it has none. */
  project?: string | null
  signal?: AbortSignal
}

/** At least one of the first three, and not both of `expiresAt` and `expiresInSeconds`. */
export interface RetentionChange {
  /** A pinned artifact does not expire. */
  pinned?: boolean
  /** ISO 8601, UTC. A past instant means now, and one beyond the project's bound means the
   *  bound. */
  expiresAt?: string
  /** Whole seconds from now by the server's clock, with the same bounds. */
  expiresInSeconds?: number
  /** Changes nothing and returns the artifact as it would be after the change. */
  dryRun?: boolean
}

/** Errors: those of `openAnswer`. */
export function listArtifacts(
  server: ServerAccess,
  { signal, ...query }: ListOptions,
): AsyncGenerator<WireArtifact, void, undefined> {
  return listItems(server, { path: `${apiRoot}/artifacts`, query, signal })
}

/** Yields live artifacts that hold a file with this digest, newest first.
 *  Errors: forbidden (the token reads only one run), and those of `openAnswer`. */
export function listHolders(
  server: ServerAccess,
  digest: Digest,
  { signal, ...query }: HolderOptions,
): AsyncGenerator<WireHolder, void, undefined> {
  const path = `${apiRoot}/digests/${formatWireDigest(digest)}`
  return listItems(server, { path, query, signal })
}

/** Yields the versions of the file at `path` in that artifact and those before it with its name
 *  and branch, newest first. Errors: those of `openAnswer`. */
export async function* listVersions(
  server: ServerAccess,
  artifactId: number,
  { path, signal }: { path: string; signal?: AbortSignal },
): AsyncGenerator<WireFileVersion, void, undefined> {
  let last: WireFileVersion | undefined
  const request = { path: historyPath(artifactId), query: { path }, signal }
  for await (const version of listItems<WireFileVersion>(server, request)) {
    // A version can be cut by the end of a page.
    if (last !== undefined && isSameVersion(last, version)) {
      last = { ...last, oldest: version.oldest, artifacts: last.artifacts + version.artifacts }
      continue
    }
    if (last !== undefined) yield last
    last = version
  }
  if (last !== undefined) yield last
}

function isSameVersion({ entry: a }: WireFileVersion, { entry: b }: WireFileVersion): boolean {
  if (a === null || b === null) return a === b
  if (a.mode !== b.mode) return false
  if (a.kind === 'file') return b.kind === 'file' && a.digest === b.digest
  return a.kind === 'symlink' && b.kind === 'symlink' && a.target === b.target
}

/** Deletes an artifact; a no-op when it is already deleted. Errors: artifact_not_found,
 *  artifact_expired, forbidden. */
export async function removeArtifact(
  server: ServerAccess,
  artifactId: number,
  signal?: AbortSignal,
): Promise<void> {
  const path = artifactPath(artifactId)
  try {
    const answer = await openAnswer(server, { method: 'DELETE', path, signal })
    answer.discard()
  } catch (error) {
    // A retry of this request whose first response was lost ends here too.
    if (!hasCode(error, 'artifact_deleted')) throw error
  }
}

/** Deletes all of them, or none if any may not be deleted. Bytes that several of them share are
 *  counted once in what is freed. With `dryRun`, reports the result and deletes nothing. Errors:
 *  artifact_not_found (also when an artifact has expired or is deleted), forbidden,
 *  invalid_request (the number of ids). */
export async function removeArtifacts(
  server: ServerAccess,
  ids: readonly number[],
  { dryRun = false, signal }: { dryRun?: boolean; signal?: AbortSignal },
): Promise<WireBulkDeletion> {
  const path = `${apiRoot}/artifacts/bulk-delete`
  const json = { ids, dryRun }
  // A repeated deletion would find nothing to delete: artifact_not_found in place of what it did.
  const mayRepeat = dryRun && { repeatable: true }
  const request = { method: 'POST' as const, path, json, ...mayRepeat, signal }
  return await requestJson(server, request, ['items', 'freedBytes'])
}

/** Errors: not_found, invalid_request (the token is for several projects, and none is named). */
export async function readRun(
  server: ServerAccess,
  run: number,
  { project, signal }: { project: string | null; signal: AbortSignal },
): Promise<WireRunDetail> {
  const request = { path: `${apiRoot}/runs/${run}`, query: { project }, signal }
  return await requestJson(server, request, ['number', 'project', 'attempt', 'record'])
}

/** Deletes all artifacts of a run, and its record. Errors: those of `readRun`; forbidden (also when
 *  one of them is kept, without `includeKept`), too_large. */
export async function removeRun(
  server: ServerAccess,
  run: number,
  {
    signal,
    ...query
  }: { project: string; dryRun: boolean; includeKept: boolean; signal: AbortSignal },
): Promise<WireBulkDeletion> {
  const request = { method: 'DELETE' as const, path: `${apiRoot}/runs/${run}`, query, signal }
  return await requestJson(server, request, ['items', 'freedBytes'])
}

/** Undoes a deletion. Errors: artifact_not_found, artifact_deleted (too late), artifact_expired,
 *  name_taken, forbidden. */
export async function restoreArtifact(
  server: ServerAccess,
  artifactId: number,
  signal?: AbortSignal,
): Promise<WireArtifact> {
  const path = `${artifactPath(artifactId)}/undelete`
  return await requestJson(server, { method: 'POST', path, signal }, ['id', 'state'])
}

/** Errors: artifact_not_found, artifact_expired, artifact_deleted, forbidden. */
export async function changeRetention(
  server: ServerAccess,
  artifactId: number,
  change: RetentionChange,
  signal?: AbortSignal,
): Promise<WireRetainedArtifact> {
  const request = {
    method: 'PATCH' as const,
    path: artifactPath(artifactId),
    json: change,
    repeatable: true,
    signal,
  }
  return await requestJson(server, request, ['id', 'state'])
}

/** Returns the digest of the zip that a server serves for an artifact, in wire form. Errors:
 *  not_found, when the zip would have to be built to know it. */
export function zipDigestOf({ name, zipDigest }: WireArtifact): string {
  if (zipDigest !== null) return zipDigest
  const reason =
    `the digest of the zip of ${name} is not known: it was not uploaded as a zip, so each download builds one; ` +
    '`trove shasum` prints the digests of its files and tree'
  throw notFound(name, reason)
}
