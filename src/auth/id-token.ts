/** ID tokens: what a CI system signs for each of its jobs (OpenID Connect). Their claims become a grant, so that a job needs
 *  no secret, and who it is cannot be made up. Signatures are checked by whoever has the keys (`http/access/issuer-keys.ts`). */
import { z } from 'zod'
import { storeError } from '../core/errors.ts'
import { parsePositiveInteger, parseProjectName, type RunFacts } from '../core/run.ts'
import type { Principal } from './principal.ts'
import { tokenLifeSeconds } from './token-request.ts'

/** What the job adds: GitHub's tokens do not say which job of the run it is. */
export interface IdTokenRequest {
  job?: string | undefined
  scope?: 'job' | 'run' | undefined
}

const text = z.string().min(1)

/** GitHub Docs, "OpenID Connect reference"; Gitea and Forgejo have the same claims. Numbers come as text. */
const gitHubClaims = z.object({
  repository: text,
  run_id: text,
  run_attempt: text.optional(),
  ref: z.string().optional(),
  head_ref: z.string().optional(),
  sha: text.optional(),
  workflow: text.optional(),
  event_name: text.optional(),
})

/** GitLab Docs, "OpenID Connect (OIDC) authentication using ID tokens". Of a merge request from a fork, `project_path` is
 *  the fork. */
const gitLabClaims = z.object({
  project_path: text,
  pipeline_id: text,
  job_id: text,
  ref: text.optional(),
  sha: text.optional(),
  pipeline_source: text.optional(),
})

/** The grant of a job whose token has these verified claims. `now` in epoch ms. It is as old
 *  as that token, which can be exchanged again and again.
 *  Errors: unauthenticated (claims of neither kind), invalid_name, invalid_request (`job` is missing). */
export function grantOfIdToken(claims: unknown, request: IdTokenRequest, now: number): Principal {
  const { project, run, attempt, job, facts } = placeOf(claims)
  const named = request.job ?? job
  if (named === null) {
    throw storeError('invalid_request', 'the ID token names no job: give `job`', { field: 'job' })
  }
  return {
    scope: request.scope ?? 'job',
    project: parseProjectName(project),
    run: {
      number: parsePositiveInteger(run, 'the run of the ID token'),
      attempt: parsePositiveInteger(attempt, 'the attempt of the ID token'),
    },
    job: named,
    facts,
    issuedAt: Math.min(now, issuedAtOf(claims) ?? now),
    expiresAt: now + tokenLifeSeconds * 1000,
    lineage: [],
  }
}

/** RFC 7519 §4.1.6. */
function issuedAtOf(claims: unknown): number | undefined {
  const issued = z.object({ iat: z.number() }).safeParse(claims)
  return issued.success ? issued.data.iat * 1000 : undefined
}

interface Place {
  project: string
  run: string
  attempt: string
  job: string | null
  facts: RunFacts
}

function placeOf(claims: unknown): Place {
  const gitHub = gitHubClaims.safeParse(claims)
  if (gitHub.success) {
    const { repository, run_id, run_attempt = '1', ref, head_ref, ...rest } = gitHub.data
    const { sha = null, workflow = null, event_name: event = null } = rest
    // As GITHUB_HEAD_REF, else GITHUB_REF_NAME.
    const branch = head_ref || ref?.replace(/^refs\/(?:heads|tags|pull)\//, '') || null
    const facts = { branch, sha, workflow, event }
    return { project: repository, run: run_id, attempt: run_attempt, job: null, facts }
  }
  const gitLab = gitLabClaims.safeParse(claims)
  if (gitLab.success) {
    const { project_path, pipeline_id, job_id, ref: branch = null, sha = null } = gitLab.data
    const facts = { branch, sha, workflow: null, event: gitLab.data.pipeline_source ?? null }
    return { project: project_path, run: pipeline_id, attempt: '1', job: job_id, facts }
  }
  const reason =
    'the ID token is not of a job: it has neither `repository` and `run_id` nor `project_path` and `pipeline_id`'
  throw storeError('unauthenticated', reason, { reason })
}
