/** Routes of runs and of what is recorded of them, as data. */
import { bulkDeletionSchema } from './messages.ts'
import { apiRoot } from './paths.ts'
import { recordQuery, runDeletionQuery, runQuery } from './queries.ts'
import { type ApiRoute, bytes, json } from './route.ts'
import { runDetailSchema, runEventsAnswerSchema, runEventsSchema } from './run-record.ts'

export const runRoutes: readonly ApiRoute[] = [
  {
    method: 'delete',
    path: `${apiRoot}/runs/{run}`,
    operationId: 'deleteRun',
    summary:
      'Deletes all artifacts of a run, and what was recorded of it; only the former can be taken back.',
    query: runDeletionQuery,
    responses: { 200: json('They are gone.', bulkDeletionSchema) },
    errors: [413],
  },
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}`,
    operationId: 'readRun',
    summary: 'A run with its jobs and steps, as far as they were recorded.',
    query: runQuery,
    responses: { 200: json('The run.', runDetailSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}/jobs/{job}/log`,
    operationId: 'readJobLog',
    summary: 'The log of a job, by its key.',
    query: runQuery,
    responses: { 200: bytes('The log.', 'text/plain') },
  },
  {
    method: 'delete',
    path: `${apiRoot}/runs/{run}/jobs/{job}`,
    operationId: 'deleteJob',
    summary:
      'Forgets what was recorded of a job, by its key: its steps and its log. The artifacts that it made stay.',
    query: runQuery,
    responses: { 204: { description: 'It is forgotten.' } },
    errors: [503],
  },
  {
    method: 'put',
    path: `${apiRoot}/projects/{owner}/{repo}/runs/{run}/record`,
    operationId: 'recordRun',
    summary:
      'Adds events of a run: jobs, steps, lines of logs. Events that are in already are passed over, so that a batch ' +
      'can be sent again. A run of which nothing is heard for an hour counts as stale; `run-started` once more is a sign of life.',
    query: recordQuery,
    request: { json: runEventsSchema },
    responses: { 200: json('They are kept.', runEventsAnswerSchema) },
    errors: [409, 413, 507],
  },
]
