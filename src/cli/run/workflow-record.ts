/** Opens the record that `trove run` keeps on its server, and reports its problems on stderr. */
import { asError, hasCode } from '../../core/errors.ts'
import type { TokenRequest } from '../../auth/token-request.ts'
import { readRun } from '../../client/artifacts.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { createRunRecorder, type RunRecorder } from './run-recorder.ts'
import type { RunServer } from './workflow-server.ts'

/** What tokens claim about the run. */
export type RunClaims = TokenRequest & { project: string; run: number; attempt: number }

/** Several long jobs can outlast an ordinary token. */
const tokenSeconds = 7 * 24 * 60 * 60
/** Longest wait for the check of the newest attempt before the run starts. */
const answerMs = 5_000

/** Errors: those of minting, so that an unusable server or token is reported before the run
 *  starts. */
export async function openRecord(
  server: RunServer,
  claims: RunClaims,
  warn: (text: string) => void,
): Promise<RunRecorder> {
  const { project, run, attempt } = claims
  // Belongs to no job of the workflow: it only reports on them.
  const asked = { ...claims, job: '__record', scope: 'run' } as const
  const token = await server
    .mint({ ...asked, expiresInSeconds: tokenSeconds })
    .catch(async (error: unknown) => {
      if (!hasCode(error, 'forbidden')) throw error
      // The caller's own token may end sooner: then ask for the default lifetime.
      return await server.mint(asked)
    })
  const access = { url: server.url, proxy: server.proxy, token }
  const newest = await newestAttempt(access, claims)
  if (newest > attempt)
    warn(`trove: this is attempt ${attempt}; the run's page shows attempt ${newest}\n`)
  const reason = (error: unknown): string => asError(error).message
  return createRunRecorder({
    access,
    project,
    run,
    attempt,
    onTrouble: (error) =>
      warn(`trove: the run's page cannot be updated for now; retrying: ${reason(error)}\n`),
    onFailure: (error) =>
      warn(`trove: the run's page will not show the rest of this run: ${reason(error)}\n`),
  })
}

/** Returns 0 for a run that the server does not know yet. An unreachable server is not reported
 *  here and does not keep the run from starting: the recorder will run into it next. */
async function newestAttempt(access: ServerAccess, { project, run }: RunClaims): Promise<number> {
  return await readRun(access, run, { project, signal: AbortSignal.timeout(answerMs) }).then(
    ({ attempt }) => attempt,
    () => 0,
  )
}
