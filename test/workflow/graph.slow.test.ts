/** Twenty jobs that pass artifacts on through a real server, and how soon each starts. */
import { expect, test } from 'vitest'
import { createNativeArtifacts } from '../../src/workflow/native-artifacts.ts'
import { openRig } from '../actions/rig.ts'
import { createPlayground, facts } from './playground.ts'
import { graphWorkflow, watchStarts } from './graph.ts'

test('with artifacts on a server, each of 20 jobs starts in the turn in which its needs are met', async () => {
  const rig = await openRig()
  try {
    const place = await createPlayground()
    const { sink, waits } = watchStarts()
    const run = await place.run(graphWorkflow(5, 4), {
      sinks: [sink],
      jobsMax: 4,
      openArtifacts: async ({ key }) => {
        const token = await rig.token({ project: 'octo/demo', run: 77, job: key, scope: 'job' })
        return createNativeArtifacts({
          url: rig.url,
          token,
          project: 'octo/demo',
          run: facts().runId,
          attempt: 1,
        })
      },
    })
    expect(run.conclusion).toBe('success')
    expect([...waits.values()]).toEqual(Array.from({ length: 16 }, () => 0))
  } finally {
    await rig.close()
  }
}, 120_000)
