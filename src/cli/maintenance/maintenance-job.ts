/** Maintenance by command: as a job of the server that runs on a store, or on the store itself
 *  when none does. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ZodType } from 'zod'
import type { WireJob } from '../../api/admin-messages.ts'
import { jobPath } from '../../api/paths.ts'
import { findKeys } from '../../auth/key.ts'
import { adminGrant, mintToken } from '../../auth/tokens.ts'
import { asError, type ErrorCode, hasCode, StoreError } from '../../core/errors.ts'
import { dayMs } from '../../core/units.ts'
import { requestJson, type ServerAccess } from '../../client/transport/http.ts'
import { NetworkError } from '../../client/transport/network-error.ts'
import { unreadableAnswer } from '../../client/transport/foreign-answer.ts'
import { readServerConfig } from '../../config/config.ts'
import { DataLockedError } from '../../metadata/sqlite/data-lock.ts'
import { type FlagValues, serverFlags } from '../arguments.ts'
import type { Invocation } from '../command.ts'
import { isAbort } from '../exit-status.ts'
import { printable, write } from '../output/output.ts'
import { createProgressLines } from '../output/progress.ts'
import { serverContext } from '../server-access.ts'
import { type LocalStore, withLocalStore } from './local-store.ts'

export const maintenanceFlags = {
  url: serverFlags.url,
  data: {
    value: 'DIR',
    help: 'work on this data directory (through its server if one is running)',
  },
  json: serverFlags.json,
} as const

export interface MaintenanceJob<Report> {
  command: string
  /** What starts the job on a server. */
  path: string
  json: object
  /** Schema of the result, and of progress reports. */
  schema: ZodType<Report>
  local(store: LocalStore, onProgress: (report: Report) => void): Promise<Report>
  describeProgress(report: Report): string
  /** What repeating an interrupted command does, when no server does the work. */
  interrupted?: string
}

/** With `--data`, works on that directory; when a server holds it, asks that server, with a
 *  token minted by the directory's key. Without, asks the server that flags and environment
 *  select. Reports progress on stderr. Errors: those of `job.local`; those of the request; when
 *  the job of a server fails, a StoreError with its code and message. */
export async function runMaintenance<Report>(
  { url, data }: Pick<FlagValues<typeof maintenanceFlags>, 'url' | 'data'>,
  { stderr, signal }: Pick<Invocation, 'stderr' | 'signal'>,
  job: MaintenanceJob<Report>,
): Promise<Report> {
  const printLine = createProgressLines(stderr)
  const onProgress = (report: Report): void => printLine(() => job.describeProgress(report))
  // A login must not decide which server is sent a token of the directory's key.
  const { server } = serverContext({ url }, { stderr, logins: data === undefined })
  const asking = { onProgress, signal, stderr }
  if (data === undefined) return await runOnServer(server, job, asking)
  const config = readServerConfig({ data })
  try {
    const { command } = job
    const held = { command, signal }
    return await withLocalStore(config, held, (store) => job.local(store, onProgress))
  } catch (error) {
    if (isAbort(error) && job.interrupted !== undefined)
      await write(stderr, `trove: interrupted; ${job.interrupted}\n`)
    if (!(error instanceof DataLockedError)) throw error
    const named = url === undefined ? error.serverUrl : null
    return await requestFromHolder(error, async () => {
      // The process that holds a directory is on this machine.
      const holder = { ...server, ...(named !== null && { url: named, token: null, proxy: null }) }
      const asked = await withOwnToken(holder, server.token, config.dataDir)
      return await runOnServer(asked, job, asking)
    })
  }
}

/** The directory may be held by another command, or by a server at another address than the
 *  given one. */
async function requestFromHolder<T>(
  locked: DataLockedError,
  request: () => Promise<T>,
): Promise<T> {
  try {
    return await request()
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error
    const reason = `${locked.message}, and no server responds for it: ${error.message}`
    throw new DataLockedError(reason, { cause: error, serverUrl: locked.serverUrl })
  }
}

/** Mints a token with the directory's key when there is none, or uses `given` when the key
 *  cannot be read. */
async function withOwnToken(
  server: ServerAccess,
  given: string | null,
  dataDir: string,
): Promise<ServerAccess> {
  if (server.token !== null) return server
  const keys = await findKeys(dataDir)
  if (keys === undefined) return { ...server, token: given }
  const token = await mintToken(keys.tokens, adminGrant(Date.now(), tokenLifeMs))
  return { ...server, token }
}

/** No job takes as long. */
const tokenLifeMs = 30 * dayMs
const pollMs = 500

/** Starts a job and waits until it ends. An interruption cancels it, as it would end the same work
 *  on a directory. */
async function runOnServer<Report>(
  server: ServerAccess,
  { path, json, schema }: MaintenanceJob<Report>,
  {
    onProgress,
    signal,
    stderr,
  }: Pick<Invocation, 'stderr' | 'signal'> & { onProgress(report: Report): void },
): Promise<Report> {
  const start = { method: 'POST', path, json, signal } as const
  let state = await requestJson<WireJob>(server, start, jobFields)
  try {
    for (;;) {
      if (state.state === 'failed') throw failureOf(state)
      if (state.state === 'cancelled') throw new CancelledError(`the ${state.kind} was cancelled`)
      // There is no progress before the first report.
      const report = schema.safeParse(state.progress)
      if (state.state === 'done') {
        if (report.success) return report.data
        const { path } = report.error.issues[0]!
        throw unreadableAnswer(server, `the report of the ${state.kind} lacks ${path.join('.')}`)
      }
      if (report.success) onProgress(report.data)
      await sleep(pollMs, undefined, { signal })
      state = await readJob(server, state, signal)
    }
  } catch (error) {
    if (signal.aborted) await write(stderr, await cancel(server, state))
    throw error
  }
}

const jobFields = ['id', 'state', 'progress'] as const

async function readJob(
  server: ServerAccess,
  { id, kind }: WireJob,
  signal: AbortSignal,
): Promise<WireJob> {
  try {
    return await requestJson(server, { path: jobPath(id), signal }, jobFields)
  } catch (error) {
    // A server forgets all jobs in a restart, and old ones while this command is suspended.
    if (hasCode(error, 'not_found'))
      throw new CancelledError(
        `the server no longer knows how the ${kind} ended: it restarted, or this command was suspended for long; run it again`,
      )
    throw error
  }
}

/** Says what became of it. */
async function cancel(server: ServerAccess, { id, kind }: WireJob): Promise<string> {
  try {
    const request = { method: 'DELETE', path: jobPath(id), repeatable: false } as const
    const { state } = await requestJson<WireJob>(server, request, ['state'])
    const words = state === 'running' ? 'ends at its next step' : `is ${state}`
    return `trove: interrupted; the ${kind} ${words}\n`
  } catch (error) {
    const reason = printable(asError(error).message)
    return `trove: interrupted; the ${kind} goes on (\`trove jobs --cancel ${id}\`): ${reason}\n`
  }
}

/** Somebody else has cancelled the job, or the server has forgotten it. */
class CancelledError extends Error {
  override readonly name = 'CancelledError'
}

/** The response has the message but not the details of the error. Codes of a newer server are
 *  readable as text. */
function failureOf({ kind, code, error }: WireJob): StoreError {
  const details = {} as StoreError['details']
  return new StoreError((code ?? 'internal') as ErrorCode, error ?? `the ${kind} failed`, details)
}
