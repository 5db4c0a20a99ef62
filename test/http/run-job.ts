/** Runs maintenance of a server by hand. */
import { setTimeout as pause } from 'node:timers/promises'
import type { TestServer } from './open-server.ts'

/** Returns the progress of the job at its end. */
export async function runJob(
  server: TestServer,
  kind: 'gc' | 'scrub' | 'backup',
  options: object = {},
): Promise<Record<string, unknown>> {
  const token = await server.token({ scope: 'admin', expiresInSeconds: 400 * 86_400 })
  const request = { method: 'POST', token, json: options }
  const started = await server.send(`/api/v1/admin/${kind}`, request)
  if (started.status !== 202) throw new Error(`${kind}: ${await started.text()}`)
  for (;;) {
    const answer = await server.send(started.headers.get('location')!, { token })
    const job = (await answer.json()) as { state: string; error: string | null; progress: object }
    if (job.state === 'failed') throw new Error(job.error!)
    if (job.state === 'done') return job.progress as Record<string, unknown>
    await pause(5)
  }
}
