/** ID tokens: JWTs that a CI system signs for each of its jobs (OpenID Connect). Their claims
 *  become a grant, so a job needs no secret and cannot claim to be another.
 *  `http/access/issuer-keys.ts` has the keys and checks the signatures. */
import * as z from 'zod'
import { invalidRequest, unauthenticated } from '../core/errors.ts'
import {
  branchOfRef,
  branchOfTag,
  completeFacts,
  factsOf,
  parsePositiveInteger,
  parseProjectName,
  pullRequestOfRef,
  type RunFacts,
  type ToldFacts,
} from '../core/run/run.ts'
import { emptyGrant, type Principal } from './principal.ts'
import { tokenLifeSeconds } from './token-request.ts'

/** Fields that the job adds to its token: GitHub's tokens do not name the job within the run, nor
 *  the head of a pull request. Facts count only where the ID token lacks them, as in uploads. */
export interface IdTokenRequest extends ToldFacts {
  job?: string | undefined
  scope?: 'job' | 'run' | undefined
}

const text = z.string().min(1)

/** GitHub Docs, "OpenID Connect reference"; Gitea and Forgejo use the same claims. Numbers are
 *  sent as text. */
const gitHubClaims = z.object({
  repository: text,
  run_id: text,
  run_attempt: text.optional(),
  ref: z.string().optional(),
  head_ref: z.string().optional(),
  sha: text.optional(),
  workflow: text.optional(),
  event_name: text.optional(),
  run_number: z.string().optional(),
  actor: z.string().optional(),
})

/** GitLab Docs, "OpenID Connect (OIDC) authentication using ID tokens". For a merge request from
 *  a fork, `project_path` is the fork. Neither it nor the pipeline's IID is named. */
const gitLabClaims = z.object({
  project_path: text,
  pipeline_id: text,
  job_id: text,
  ref: text.optional(),
  ref_type: z.string().optional(),
  sha: text.optional(),
  pipeline_source: text.optional(),
  user_login: z.string().nullish(),
})

/** Returns the grant of a job whose ID token has these verified claims. `now` is in epoch ms.
 *  The grant takes its issue time from the ID token, not from the exchange, since an ID token
 *  can be exchanged again and again. Errors: unauthenticated (claims of neither kind),
 *  invalid_name, invalid_request (`job` is missing). */
export function grantOfIdToken(claims: unknown, request: IdTokenRequest, now: number): Principal {
  const { project, run, attempt, job, facts } = placeOf(claims)
  const named = request.job ?? job
  if (named === null) {
    throw invalidRequest('job', 'the ID token names no job: give `job`')
  }
  return {
    ...emptyGrant,
    scope: request.scope ?? 'job',
    project: parseProjectName(project),
    run: {
      number: parsePositiveInteger(run, 'the run of the ID token'),
      attempt: parsePositiveInteger(attempt, 'the attempt of the ID token'),
    },
    job: named,
    facts: completeFacts(facts, request),
    issuedAt: Math.min(now, issuedAtOf(claims) ?? now),
    expiresAt: now + tokenLifeSeconds * 1000,
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
    const { sha, workflow, event_name: event, run_number, actor } = rest
    // Same rule as the runner's: GITHUB_HEAD_REF, or the name of GITHUB_REF when that is empty.
    const branch = head_ref || (ref && branchOfRef(ref))
    const pullRequest = pullRequestOfRef(ref)
    const ordinal = /^[1-9][0-9]{0,14}$/.test(run_number ?? '') ? Number(run_number) : null
    const facts = factsOf({ branch, sha, workflow, event, ordinal, pullRequest, actor })
    return { project: repository, run: run_id, attempt: run_attempt, job: null, facts }
  }
  const gitLab = gitLabClaims.safeParse(claims)
  if (gitLab.success) {
    const { project_path, pipeline_id, job_id, ref, ref_type, sha, ...rest } = gitLab.data
    const { pipeline_source: event, user_login: actor } = rest
    const branch = ref && ref_type === 'tag' ? branchOfTag(ref) : ref
    const facts = factsOf({ branch, sha, event, actor })
    return { project: project_path, run: pipeline_id, attempt: '1', job: job_id, facts }
  }
  const reason =
    'the ID token does not belong to a job: it has neither `repository` and `run_id` nor `project_path` and `pipeline_id`'
  throw unauthenticated(reason)
}
