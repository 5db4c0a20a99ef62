/** Exit statuses: one table that covers every error code (API §1). */
import {
  AnswerError,
  NetworkError,
  ProxiedNetworkError,
  ProxyRefusal,
} from '../client/transport/network-error.ts'
import { ConfigError } from '../config/settings.ts'
import { asleep, type ErrorCode, hasCode, StoreError, hasErrno } from '../core/errors.ts'
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
  0: 'success',
  1: 'other failure',
  2: 'usage error',
  3: 'not found',
  4: 'expired or deleted',
  5: 'not authenticated',
  6: 'forbidden',
  7: 'name taken',
  8: 'damaged, or digest mismatch',
  9: 'quota exceeded, or too large',
  10: 'network failure, after retries, or a response that Trove does not send',
  11: 'over budget',
  12: 'no files matched',
  13: 'data directory in use by another process',
  14: 'credentials found',
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
  precondition_failed: exitStatus.failure,
  storage_full: exitStatus.tooLarge,
  storage_failed: exitStatus.failure,
  session_ended: exitStatus.failure,
  no_files: exitStatus.noFilesMatched,
  secrets_found: exitStatus.secretsFound,
  upload_incomplete: exitStatus.failure,
  busy: exitStatus.network,
  shutting_down: exitStatus.network,
} satisfies Record<ErrorCode, ExitStatus>

const hints: Partial<Record<ErrorCode, string>> = {
  unauthenticated:
    "Store a token with `trove login` (which jobs, where CI is set, do not read), or set TROVE_TOKEN or TROVE_TOKEN_FILE. `trove token` mints one, with `--data DIR` on the server's machine.",
  forbidden:
    "`trove whoami` shows the scope, project and run of the token. `trove token --scope SCOPE` mints another, with `--data DIR` on the server's machine or with a token of at least that scope; set it as TROVE_TOKEN.",
  name_taken: 'Choose another name, or replace the artifact with `trove upload --overwrite`.',
  artifact_not_found: 'Run `trove list` to see the available artifacts.',
  shutting_down: 'The server is stopping; try again shortly.',
  quota_exceeded: 'Delete artifacts with `trove rm`, or ask an administrator to raise the quota.',
  secrets_found:
    'Exclude these files with `--exclude`; or upload without `--fail-on-secrets`, and dismiss what is no secret with `trove secrets REF --dismiss PATH`.',
  storage_full: 'Make room there; `trove rm` and `trove gc --now` free space of the store.',
  storage_failed:
    "The server's disk must be healthy (dmesg), mounted read-write, and writable for the server's user, also in its systemd unit (ReadWritePaths).",
}

/** Maps an error to an exit status. Unknown codes, from a newer server, are failures. */
export function exitStatusOf(error: unknown): ExitStatus {
  if (error instanceof StoreError) return statusOfCode[error.code] ?? exitStatus.failure
  if (error instanceof UsageError || error instanceof ConfigError) return exitStatus.usage
  if (error instanceof NetworkError || error instanceof AnswerError) return exitStatus.network
  if (isLocked(error)) return exitStatus.locked
  if (isNamed(error, 'AttestationError')) return exitStatus.forbidden
  if (isAbort(error)) return exitStatus.interrupted
  return exitStatus.failure
}

/** One sentence on what to do next, if there is something to say. */
export function hintFor(error: unknown): string | undefined {
  if (hasCode(error, 'unauthenticated') && error.details.reason === asleep) return undefined
  // Not all that is forbidden is so because of the token: an artifact can be kept.
  if (hasCode(error, 'forbidden') && !error.message.includes('token')) return undefined
  if (hasCode(error, 'not_found') && /^artifact .* has no (?:file )?"/.test(error.message))
    return '`trove ls REF` lists what it has, and `trove ls -R REF` what its directories have.'
  // The server asks for a project as its API names one.
  const lacksProject = hasCode(error, 'invalid_request') && error.details.field === 'project'
  if (lacksProject && !error.message.includes('--project'))
    return 'Name the project with --project or TROVE_PROJECT.'
  if (error instanceof StoreError) return hints[error.code]
  const tlsCode = causeCodeOf(error)
  if (/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/.test(tlsCode))
    return 'Renew that certificate, or correct the clock of this machine.'
  if (isUntrustedCertificate(tlsCode))
    return 'Set NODE_EXTRA_CA_CERTS to a PEM file of additional certificate authorities to trust.'
  if (error instanceof ProxiedNetworkError || error instanceof ProxyRefusal)
    return 'Check that variable and TROVE_URL (or --url). NO_PROXY lists hosts to reach without a proxy.'
  if (error instanceof NetworkError)
    return 'Check that the server is running and that TROVE_URL (or --url) is correct.'
  if (error instanceof AnswerError) {
    return error.status === 413
      ? 'A proxy in front of the server limits the size of uploads; for nginx, set `client_max_body_size 0`.'
      : 'Check that TROVE_URL (or --url) is the address of a Trove server.'
  }
  if (isLocked(error))
    return 'Stop the server that uses it, or wait for the command that does. If there is none, the file system of the directory does not support locks, as some network file systems: use a local disk.'
  if (isNamed(error, 'ClockError'))
    return 'Set it, for example with `timedatectl set-ntp true`, and start it again.'
  if (isNamed(error, 'NewerDatabaseError'))
    return 'Start that version again, or restore the backup from before the upgrade.'
  if (isNamed(error, 'ChangedMigrationError'))
    return 'Restore a backup made by a released version, or move the file away with its -wal and -shm files and run `trove recover --from-packs`.'
  if (isNamed(error, 'UnusableDatabaseError'))
    return 'isDamaged' in error && error.isDamaged === true
      ? 'Restore a backup, or move the file away with its -wal and -shm files and run `trove recover --from-packs`.'
      : `Check that this user${ownId()} may write to that directory and the files in it, also in the systemd unit (ReadWritePaths), that its file system supports locks, and that its disk has free inodes (df -i).`
  if (isNamed(error, 'SymlinkError')) return 'Leave symlinks out with --symlinks skip.'
  if (isListenError(error))
    return 'Set where to listen with --host and --port (TROVE_HOST, TROVE_PORT).'
  if (isMisplacedFile(error)) return 'Remove or rename that file, or choose another directory.'
  // Clients report such an error on their files as FileError.
  if (hasErrno(error, 'EROFS'))
    return 'Mount that file system read-write; a systemd unit must list the path in ReadWritePaths.'
  if (hasErrno(error, 'EACCES', 'EPERM'))
    return `Run it as a user with permission, not as this one${ownId()}; for a server's data directory, that is the server's user.`
  return undefined
}

/** In a container, the id tells who must own what is mounted. */
function ownId(): string {
  const id = process.getuid?.()
  return id === undefined ? '' : ` (id ${id})`
}

/** Whether TLS failed because the certificate has no trusted issuer, be it the server's or that
 *  of an intercepting proxy. */
function isUntrustedCertificate(code: string): boolean {
  return /SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF)/.test(code)
}

/** The code of the system or TLS error that made a server unreachable; empty without one. */
function causeCodeOf(error: unknown): string {
  const cause = error instanceof AnswerError ? error.cause : undefined
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? ''
}

function isMisplacedFile(error: unknown): boolean {
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  return code === 'EEXIST' && syscall === 'mkdir'
}

/** Clients report such an error as NetworkError. */
function isListenError(error: unknown): boolean {
  const call = (error as NodeJS.ErrnoException | null)?.syscall
  return call === 'listen' || call === 'getaddrinfo'
}

function isLocked(error: unknown): boolean {
  return isNamed(error, 'DataLockedError')
}

/** Compares names, so that no command loads the classes that only a few need. */
function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
