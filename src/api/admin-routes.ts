/** The operators' routes, as data. */
import {
  backupRequestSchema,
  collectionRequestSchema,
  jobListSchema,
  jobSchema,
  projectListSchema,
  projectPolicySchema,
  projectSchema,
  statsSchema,
} from './admin-messages.ts'
import {
  currentTokenSchema,
  idTokenRequestSchema,
  mintedTokenListSchema,
  revocationRequestSchema,
  revokedTokenSchema,
  revokedTokensSchema,
  tokenRequestSchema,
  tokenSchema,
} from './token-messages.ts'
import { auditSchema } from './audit.ts'
import {
  apiRoot,
  auditPath,
  backupPath,
  collectionPath,
  currentTokenPath,
  jobsPath,
  projectsPath,
  scrubPath,
  snapshotPath,
} from './paths.ts'
import {
  auditQuery,
  jobListQuery,
  projectListQuery,
  statsQuery,
  tokenListQuery,
} from './queries.ts'
import { type ApiRoute, json } from './route.ts'

export const adminRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/stats`,
    operationId: 'readStats',
    summary:
      'Statistics of one project, with the savings of each layer; without `project` of the store, for scope admin, or the sum over the projects of the token, in which content that several hold counts in each.',
    query: statsQuery,
    responses: { 200: json('The statistics.', statsSchema) },
  },
  {
    method: 'get',
    path: projectsPath,
    operationId: 'listProjects',
    summary: 'The projects that the token may read, with their sizes, as on the start page.',
    query: projectListQuery,
    responses: { 200: json('A page of projects.', projectListSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/projects/{owner}/{repo}`,
    operationId: 'readProject',
    summary:
      "A project's settings; null is the server's. Requires a token that may read the project, also if that is public.",
    responses: { 200: json('The project.', projectSchema) },
  },
  {
    method: 'patch',
    path: `${apiRoot}/projects/{owner}/{repo}`,
    operationId: 'changeProject',
    summary: "Changes a project's settings, even before its first upload. Requires scope admin.",
    request: { json: projectPolicySchema },
    responses: { 200: json('The project after the change.', projectSchema) },
  },
  {
    method: 'post',
    path: collectionPath,
    operationId: 'collectGarbage',
    summary: 'Expires, sweeps and compacts, as a job. Requires scope admin.',
    request: { json: collectionRequestSchema },
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'post',
    path: scrubPath,
    operationId: 'scrub',
    summary: 'Verifies everything that is stored, as a job. Requires scope admin.',
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'post',
    path: backupPath,
    operationId: 'backUp',
    summary:
      "Copies the store to a directory on the server's machine, as a job. Requires scope admin.",
    request: { json: backupRequestSchema },
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'post',
    path: snapshotPath,
    operationId: 'takeSnapshot',
    summary:
      'Copies the metadata to the bucket that holds the packs, as a job. Requires scope admin.',
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'get',
    path: jobsPath,
    operationId: 'listJobs',
    summary:
      'Maintenance jobs that are waiting, running or recently ended, scheduled ones included, newest first. Requires scope admin.',
    query: jobListQuery,
    responses: { 200: json('The jobs.', jobListSchema) },
  },
  {
    method: 'get',
    path: `${jobsPath}/{id}`,
    operationId: 'readJob',
    summary: 'The progress of a job, or its result. Requires scope admin.',
    responses: { 200: json('The job.', jobSchema) },
  },
  {
    method: 'delete',
    path: `${jobsPath}/{id}`,
    operationId: 'cancelJob',
    summary:
      'Cancels a job: one that waits at once, one that runs at its next step. What it has done stays done. Requires scope admin.',
    responses: { 200: json('The job; still `running` until that step.', jobSchema) },
  },
  {
    method: 'get',
    path: auditPath,
    operationId: 'readAudit',
    summary:
      'The audit log: who deleted, kept, replaced or changed what, minted or revoked which token, or started maintenance by hand; newest first. Requires scope write, or admin for all projects.',
    query: auditQuery,
    responses: { 200: json('A page of audit log entries.', auditSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/tokens`,
    operationId: 'listTokens',
    summary:
      'Minted tokens that have not expired, newest first. Includes browser sessions (the newest 100 of each token or person); excludes job tokens that last at most a day and tokens minted with the key of the data directory. Requires scope write, or admin for all projects.',
    query: tokenListQuery,
    responses: { 200: json('A page of tokens.', mintedTokenListSchema) },
  },
  {
    method: 'get',
    path: currentTokenPath,
    operationId: 'readCurrentToken',
    summary: 'What the token of the request grants and until when, and the version of the server.',
    responses: { 200: json('The grant.', currentTokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/tokens`,
    operationId: 'mintToken',
    summary:
      'Mints a token. Requires scope admin, or scope write for tokens of the same project that do not outlive it.',
    request: { json: tokenRequestSchema },
    responses: { 201: json('The token.', tokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/tokens/exchange`,
    operationId: 'exchangeIdToken',
    summary:
      'Exchanges an ID token (OpenID Connect) of a trusted CI system for a token of its job. Requires no other token.',
    isOpen: true,
    request: { json: idTokenRequestSchema },
    responses: { 201: json('The token.', tokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/tokens/revoke`,
    operationId: 'revokeToken',
    summary:
      'Revokes a token with its descendants (all tokens and sessions minted by it). A token given in the body needs no other authorization; revoking by id requires permission to list it.',
    isOpen: true,
    request: { json: revocationRequestSchema },
    responses: { 200: json('The revoked token.', revokedTokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/projects/{owner}/{repo}/tokens/revoke`,
    operationId: 'revokeProjectTokens',
    summary:
      'Revokes all tokens of the project issued up to now, including those of running jobs and, unless it has scope admin, the token of the request. Requires scope write or admin.',
    responses: { 200: json('What was revoked.', revokedTokensSchema) },
  },
]
