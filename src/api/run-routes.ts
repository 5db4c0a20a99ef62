/** Routes of runs and their records, as data. */
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
      'Deletes all artifacts of a run, and its record, unless one of them is kept. Deleted artifacts can be restored for a while, the record cannot.',
    query: runDeletionQuery,
    responses: { 200: json('The deletion.', bulkDeletionSchema) },
    errors: [413],
  },
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}`,
    operationId: 'readRun',
    readsPublic: true,
    summary: 'A run with its jobs, steps and annotations, as far as recorded.',
    query: runQuery,
    responses: { 200: json('The run.', runDetailSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}/jobs/{job}/log`,
    operationId: 'readJobLog',
    readsPublic: true,
    summary: 'The log of a job, by its key.',
    query: runQuery,
    responses: { 200: bytes('The log.', 'text/plain') },
  },
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}/jobs/{job}/summary`,
    operationId: 'readJobSummary',
    readsPublic: true,
    summary: 'What the steps of a job wrote to GITHUB_STEP_SUMMARY, by the key of the job.',
    query: runQuery,
    responses: { 200: bytes('The summaries, in the order of the steps.', 'text/markdown') },
  },
  {
    method: 'delete',
    path: `${apiRoot}/runs/{run}/jobs/{job}`,
    operationId: 'deleteJob',
    summary:
      'Deletes the record of a job, by its key: its steps, log, annotations and summary. Artifacts of the job are kept.',
    query: runQuery,
    responses: { 204: { description: 'The record is deleted.' } },
    errors: [503],
  },
  {
    method: 'put',
    path: `${apiRoot}/projects/{owner}/{repo}/runs/{run}/record`,
    operationId: 'recordRun',
    summary:
      'Appends events of a run: jobs, steps, log lines, annotations, summaries. Events already stored are skipped, so a batch can be sent again. ' +
      'A run without events for an hour counts as stale; repeating `run-started` keeps it alive.',
    query: recordQuery,
    request: { json: runEventsSchema },
    responses: { 200: json('The events are stored.', runEventsAnswerSchema) },
    errors: [409, 413, 507],
  },
]
