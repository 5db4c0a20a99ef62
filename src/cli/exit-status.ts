/** Exit statuses: one table, total over the error codes (API §1). */
import { NetworkError } from '../client/transport/network-error.ts'
import { ProxiedNetworkError, ProxyRefusal } from '../client/transport/proxy-error.ts'
import { ConfigError } from '../settings.ts'
import { type ErrorCode, StoreError } from '../core/errors.ts'
import { UsageError } from './arguments.ts'

export const exitStatus = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  expired: 4,
  unauthenticated: 5,
  forbidden: 6,
  nameTaken: 7,
  damaged: 8,
  tooLarge: 9,
  network: 10,
  overBudget: 11,
  noFilesMatched: 12,
  locked: 13,
  secretsFound: 14,
  interrupted: 130,
} as const

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus]

export const exitStatusMeaning: Record<ExitStatus, string> = {
  0: 'ok',
  1: 'other failure',
  2: 'usage',
  3: 'not found',
  4: 'expired or deleted',
  5: 'not authenticated',
  6: 'forbidden, or an attestation that is refused',
  7: 'name taken',
  8: 'damaged, or digest mismatch',
  9: 'quota, or too large',
  10: 'network, after retries',
  11: 'over budget',
  12: 'no files matched',
  13: 'another process works on the data directory',
  14: 'secrets found',
  130: 'interrupted',
}

const statusOfCode = {
  invalid_request: exitStatus.usage,
  invalid_name: exitStatus.usage,
  unsafe_path: exitStatus.failure,
  duplicate_path: exitStatus.failure,
  unsupported_entry: exitStatus.failure,
  bad_archive: exitStatus.failure,
  digest_mismatch: exitStatus.damaged,
  length_mismatch: exitStatus.damaged,
  incomplete_body: exitStatus.network,
  idle_timeout: exitStatus.network,
  too_large: exitStatus.tooLarge,
  quota_exceeded: exitStatus.tooLarge,
  unknown_block: exitStatus.failure,
  block_list_conflict: exitStatus.failure,
  unauthenticated: exitStatus.unauthenticated,
  signed_url_invalid: exitStatus.forbidden,
  forbidden: exitStatus.forbidden,
  not_found: exitStatus.notFound,
  method_not_allowed: exitStatus.failure,
  artifact_not_found: exitStatus.notFound,
  artifact_expired: exitStatus.expired,
  artifact_deleted: exitStatus.expired,
  name_taken: exitStatus.nameTaken,
  blob_damaged: exitStatus.damaged,
  range_not_satisfiable: exitStatus.failure,
  storage_full: exitStatus.tooLarge,
  session_ended: exitStatus.failure,
  no_files: exitStatus.noFilesMatched,
  secrets_found: exitStatus.secretsFound,
  upload_incomplete: exitStatus.failure,
  busy: exitStatus.network,
  shutting_down: exitStatus.network,
} satisfies Record<ErrorCode, ExitStatus>

const hints: Partial<Record<ErrorCode, string>> = {
  unauthenticated:
    'Set TROVE_TOKEN, or TROVE_TOKEN_FILE; on the machine of the server `trove token --data DIR` mints one.',
  forbidden: 'What a token may do follows from its `--scope`, `--run` and `--job` (`trove token`).',
  name_taken: 'Choose another name, or replace it with `trove upload --overwrite`.',
  artifact_not_found: '`trove list` shows what there is.',
  shutting_down: 'The server is stopping; try again shortly.',
  quota_exceeded: '`trove rm` makes room; an administrator can raise the quota.',
  secrets_found: 'Leave them out with `--exclude`, or upload without `--fail-on-secrets`.',
  storage_full: 'The disk of the server is full.',
}

/** What an error means to a script. Codes of a newer server count as other failures. */
export function exitStatusOf(error: unknown): ExitStatus {
  if (error instanceof StoreError) return statusOfCode[error.code] ?? exitStatus.failure
  if (error instanceof UsageError || error instanceof ConfigError) return exitStatus.usage
  if (error instanceof NetworkError || error instanceof ProxyRefusal) return exitStatus.network
  if (isLocked(error)) return exitStatus.locked
  if (isNamed(error, 'AttestationError')) return exitStatus.forbidden
  if (isAbort(error)) return exitStatus.interrupted
  return exitStatus.failure
}

/** One sentence on what to do, where there is something to say. */
export function hintFor(error: unknown): string | undefined {
  if (error instanceof StoreError) return hints[error.code]
  if (isOfTrust(error))
    return 'NODE_EXTRA_CA_CERTS names a file of certificates (PEM) whose authorities are trusted too.'
  if (error instanceof ProxiedNetworkError || error instanceof ProxyRefusal)
    return 'Are that variable and TROVE_URL (or --url) right? NO_PROXY lists hosts that are reached without a proxy.'
  if (error instanceof NetworkError)
    return 'Is the server running, and is TROVE_URL (or --url) right?'
  if (isNamed(error, 'AnswerError')) {
    return 'status' in error && error.status === 413
      ? 'A proxy in front of the server bounds what is uploaded, as nginx does without `client_max_body_size 0`.'
      : 'Is there a Trove server at TROVE_URL (or --url)?'
  }
  if (isLocked(error)) return 'Stop the server that runs on it, or wait for the command that does.'
  if (isNamed(error, 'NewerDatabaseError'))
    return 'Start that version again, or put back the backup from before the upgrade.'
  if (isNamed(error, 'UnusableDatabaseError'))
    return 'isDamaged' in error && error.isDamaged === true
      ? 'Put a backup in its place, or move it away with its -wal and -shm and run `trove recover --from-packs`.'
      : 'May the user who runs this write to that directory and to what is in it, and has its disk inodes left (df -i)?'
  if (isOfListening(error)) return '--host and --port (TROVE_HOST, TROVE_PORT) say where to listen.'
  if (isOfPermission(error))
    return 'Run it as a user who may; on the data directory of a server that is the user of the server.'
  return undefined
}

/** Whether a certificate was shown that nobody vouches for, by the server or by a proxy that looks into what it passes on. */
function isOfTrust(error: unknown): boolean {
  const cause = error instanceof NetworkError ? (error.cause as NodeJS.ErrnoException | null) : null
  return /SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF)/.test(cause?.code ?? '')
}

/** Of files of clients the same comes as FileError. */
function isOfPermission(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException | null)?.code ?? '')
}

/** Of clients the same comes as NetworkError. */
function isOfListening(error: unknown): boolean {
  const call = (error as NodeJS.ErrnoException | null)?.syscall
  return call === 'listen' || call === 'getaddrinfo'
}

function isLocked(error: unknown): boolean {
  return isNamed(error, 'DataLockedError')
}

/** By name, so that no command loads what only a few need. */
function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
