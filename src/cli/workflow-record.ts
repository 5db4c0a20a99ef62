/** The record that `trove run` keeps on its server, and what is said of it on stderr. */
import { asError, hasCode } from '../core/errors.ts'
import { apiRoot } from '../api/paths.ts'
import type { WireRunDetail } from '../api/run-record.ts'
import type { TokenRequest } from '../auth/token-request.ts'
import { requestJson, type ServerAccess } from '../client/transport/http.ts'
import { createRunRecorder, type RunRecorder } from './run-recorder.ts'
import type { RunServer } from './workflow-server.ts'

/** What tokens say of the run. */
export type RunClaims = TokenRequest & { project: string; run: number; attempt: number }

/** A run of several long jobs outlives an ordinary token. */
const tokenSeconds = 7 * 24 * 60 * 60
/** How long the beginning of a run waits for a remark. */
const answerMs = 5_000

/** Errors: those of minting, so that a server or a token that is of no use for a run is told before it begins. */
export async function openRecord(
  server: RunServer,
  claims: RunClaims,
  tell: (text: string) => void,
): Promise<RunRecorder> {
  const { project, run, attempt } = claims
  // Of no job of the workflow: it only tells of them.
  const asked = { ...claims, job: '__record', scope: 'run' } as const
  const token = await server
    .mint({ ...asked, expiresInSeconds: tokenSeconds })
    .catch(async (error: unknown) => {
      if (!hasCode(error, 'forbidden')) throw error
      // Whoever mints it may not have so long themselves: then for as long as they can.
      return await server.mint(asked)
    })
  const access = { url: server.url, proxy: server.proxy, token }
  const newest = await newestAttempt(access, claims)
  if (newest > attempt)
    tell(`trove: this is attempt ${attempt}; the page of the run shows attempt ${newest}\n`)
  const reason = (error: unknown): string => asError(error).message
  return createRunRecorder({
    access,
    project,
    run,
    attempt,
    onTrouble: (error) =>
      tell(
        `trove: the page of this run waits for the server, which is tried again: ${reason(error)}\n`,
      ),
    onFailure: (error) =>
      tell(`trove: the page of this run will not show the rest of it: ${reason(error)}\n`),
  })
}

/** 0 for a run that the server does not know yet. A server that does not answer is not told of here, nor does it keep the
 *  run from beginning: the recorder meets it next. */
async function newestAttempt(access: ServerAccess, { project, run }: RunClaims): Promise<number> {
  const path = `${apiRoot}/runs/${run}`
  const request = { path, query: { project }, signal: AbortSignal.timeout(answerMs) }
  return await requestJson<WireRunDetail>(access, request, ['attempt']).then(
    ({ attempt }) => attempt,
    () => 0,
  )
}
