/** Options for runs whose artifacts go to a real server. */
import { createNativeArtifacts } from '../../src/workflow/native-artifacts.ts'
import type { RunOptions } from '../../src/workflow/run.ts'
import type { Rig } from '../actions/rig.ts'
import { facts } from './playground.ts'

let runs = 0

/** Returns an unused run id. */
export function nextRun(): number {
  return 100 + runs++
}

/** Returns options for a new run on the server. */
export function onServer(
  rig: Pick<Rig, 'url' | 'token'>,
): Partial<RunOptions> & { facts: RunOptions['facts'] } {
  const run = nextRun()
  const project = 'octo/demo'
  const tokenOf = (job: { key: string }): Promise<string> =>
    rig.token({ project, run, job: job.key, scope: 'job', branch: 'main' })
  return {
    facts: { ...facts(), runId: run },
    service: { url: rig.url, runtimeToken: tokenOf },
    openArtifacts: async (job) =>
      createNativeArtifacts({ url: rig.url, token: await tokenOf(job), project, run, attempt: 1 }),
  }
}
