/** Leaves out credentials that somebody in the project has dismissed: one request, and none without
 *  findings. */
import { StoreError } from '../../core/errors.ts'
import { listDismissed } from '../secrets.ts'
import type { ServerAccess } from '../transport/http.ts'
import { AnswerError, NetworkError } from '../transport/network-error.ts'
import type { HashedTree } from './hashed-tree.ts'
import type { SecretInEntry, SecretInFile } from './source-secrets.ts'

/** When the server does not answer, returns all findings, and why. Errors: the signal's. */
export async function withoutDismissed(
  server: ServerAccess,
  tree: Pick<HashedTree, 'digest'>,
  { project, secrets, signal }: { project: string; secrets: SecretInEntry[]; signal: AbortSignal },
): Promise<{ found: SecretInFile[]; failure: Error | null }> {
  const digests = secrets.map(({ ordinal }) => tree.digest(ordinal))
  const found = secrets.map(({ ordinal: _, ...secret }) => secret)
  if (found.length === 0) return { found, failure: null }
  try {
    const dismissed = await listDismissed(server, project, digests, signal)
    return { found: found.filter((_, at) => !dismissed.has(digests[at]!)), failure: null }
  } catch (error) {
    if (!isServerFailure(error)) throw error
    return { found, failure: error }
  }
}

function isServerFailure(error: unknown): error is Error {
  const kinds = [StoreError, NetworkError, AnswerError]
  return kinds.some((kind) => error instanceof kind)
}
