/** Routes that operators use, as data. */
import {
  backupRequestSchema,
  collectionRequestSchema,
  currentTokenSchema,
  jobListSchema,
  jobSchema,
  projectPolicySchema,
  projectSchema,
  statsSchema,
  idTokenRequestSchema,
  mintedTokenListSchema,
  revocationRequestSchema,
  revokedTokenSchema,
  revokedTokensSchema,
  tokenRequestSchema,
  tokenSchema,
} from './admin-messages.ts'
import { auditSchema } from './audit.ts'
import {
  apiRoot,
  auditPath,
  backupPath,
  collectionPath,
  currentTokenPath,
  scrubPath,
} from './paths.ts'
import { auditQuery, statsQuery, tokenListQuery } from './queries.ts'
import { type ApiRoute, json } from './route.ts'

export const adminRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/stats`,
    operationId: 'readStats',
    summary: 'What the store, or one project, holds and what each layer saved.',
    query: statsQuery,
    responses: { 200: json('The figures.', statsSchema) },
  },
  {
    method: 'patch',
    path: `${apiRoot}/projects/{owner}/{repo}`,
    operationId: 'changeProject',
    summary: "Changes a project's settings, before its first upload too. Needs scope admin.",
    request: { json: projectPolicySchema },
    responses: { 200: json('The project as it is now.', projectSchema) },
  },
  {
    method: 'post',
    path: collectionPath,
    operationId: 'collectGarbage',
    summary: 'Expires, sweeps and compacts, as a job. Needs scope admin.',
    request: { json: collectionRequestSchema },
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'post',
    path: scrubPath,
    operationId: 'scrub',
    summary: 'Reads back and judges everything that is stored, as a job. Needs scope admin.',
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'post',
    path: backupPath,
    operationId: 'backUp',
    summary: 'Copies the store to a directory of its machine, as a job. Needs scope admin.',
    request: { json: backupRequestSchema },
    responses: { 202: json('The job.', jobSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/admin/jobs`,
    operationId: 'listJobs',
    summary:
      'Maintenance that waits, runs or has ended lately, scheduled rounds too, the newest first. Needs scope admin.',
    responses: { 200: json('The jobs.', jobListSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/admin/jobs/{id}`,
    operationId: 'readJob',
    summary: 'How far a job is, and its outcome. Needs scope admin.',
    responses: { 200: json('The job.', jobSchema) },
  },
  {
    method: 'get',
    path: auditPath,
    operationId: 'readAudit',
    summary:
      'Who deleted, kept, replaced or changed what, minted or revoked which token, and began upkeep by hand, the newest first. Needs scope write, or admin for all projects.',
    query: auditQuery,
    responses: { 200: json('A page of acts.', auditSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/tokens`,
    operationId: 'listTokens',
    summary:
      'Tokens that the server has minted and that have not ended, sessions of browsers too (of each token the newest 100), the newest first; not those of jobs for less than a day, nor those minted by the key of the data directory. Needs scope write, or admin for all projects.',
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
      'Mints a token. Needs scope admin; scope write is enough for tokens of its project that do not outlive it.',
    request: { json: tokenRequestSchema },
    responses: { 201: json('The token.', tokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/tokens/exchange`,
    operationId: 'exchangeIdToken',
    summary:
      'A token for the job that an ID token (OpenID Connect) of a trusted CI system is about. Needs no other token.',
    isOpen: true,
    request: { json: idTokenRequestSchema },
    responses: { 201: json('The token.', tokenSchema) },
  },
  {
    method: 'post',
    path: `${apiRoot}/tokens/revoke`,
    operationId: 'revokeToken',
    summary:
      'Makes a token void before its end, with every token and session that came of it. Who has it may do so, and needs no other; by its id, who may list it.',
    isOpen: true,
    request: { json: revocationRequestSchema },
    responses: { 200: { description: 'What it was.', content: { json: revokedTokenSchema } } },
  },
  {
    method: 'post',
    path: `${apiRoot}/projects/{owner}/{repo}/tokens/revoke`,
    operationId: 'revokeProjectTokens',
    summary:
      'Makes all tokens of the project void that were minted until now, also those of running jobs and that of the request, unless it is of scope admin. Needs scope write or admin.',
    responses: { 200: { description: 'Which.', content: { json: revokedTokensSchema } } },
  },
]
