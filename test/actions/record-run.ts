/** Records a run of `octo/demo` as a runner does. */
import { expect } from 'vitest'
import type { RecordedEvent } from '../../src/core/run/run-record.ts'

/** Sends all events in one batch; the token determines the attempt. */
export async function recordRun(
  { url, token }: { url: string; token: string },
  run: number,
  events: RecordedEvent[],
): Promise<void> {
  const response = await fetch(`${url}/api/v1/projects/octo/demo/runs/${run}/record`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ recording: '0'.repeat(32), sequence: 0, events }),
  })
  expect([response.status, run]).toEqual([200, run])
}

/** A job `test` that failed in its second step after two seconds, with an annotation, and a job
 *  `deploy` that was skipped. */
export const failedRun: RecordedEvent[] = [
  { type: 'run-started', at: 1000 },
  { type: 'job-named', at: 1000, job: { key: 'test', id: 'test', name: 'test / unit' } },
  { type: 'job-named', at: 1000, job: { key: 'deploy', id: 'deploy', name: 'deploy' } },
  { type: 'job-started', at: 1000, job: 'test' },
  ...stepOf({ number: 1, name: 'npm ci' }, 'success'),
  ...stepOf({ number: 2, name: 'npm test' }, 'failure'),
  {
    type: 'annotation',
    at: 2000,
    job: 'test',
    step: 2,
    level: 'error',
    message: 'two is not three',
    file: 'a.test.js',
    line: 7,
  },
  { type: 'job-finished', at: 3000, job: 'test', conclusion: 'failure', durationMs: 2000 },
  { type: 'job-finished', at: 3000, job: 'deploy', conclusion: 'skipped', durationMs: 0 },
  { type: 'run-finished', at: 3000, conclusion: 'failure', durationMs: 2000 },
]

function stepOf(
  step: { number: number; name: string },
  conclusion: 'success' | 'failure',
): RecordedEvent[] {
  const { number, name } = step
  return [
    { type: 'step-started', at: 1000, job: 'test', step },
    { type: 'line', at: 1000, job: 'test', step: number, kind: 'output', text: `this is ${name}` },
    { type: 'step-finished', at: 2000, job: 'test', step, conclusion, durationMs: 1000 },
  ]
}
