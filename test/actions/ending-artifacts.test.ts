/** Lists of GitHub's protocols while one of their artifacts is deleted. */
import { beforeAll, expect, test } from 'vitest'
import { noise } from './archives.ts'
import { type Caller, openRig, type Rig } from './rig.ts'

let rig: Rig
let onListed: () => Promise<void> = async () => {}

beforeAll(async () => {
  rig = await openRig({
    environment: { TROVE_UNDO: '0s' },
    checkpoint: async (step) => {
      if (step === 'listed') await onListed()
    },
  })
  return rig.close
})

/** Two files that are artifacts of a run. The second is deleted once they are listed. */
async function uploadTwo(run: number): Promise<Caller> {
  const job = await rig.as({ run })
  const file = { version: 7, mime_type: 'application/octet-stream' }
  await job.upload('stays', noise(10), file)
  const id = await job.upload('goes', noise(20), file)
  onListed = async () => {
    onListed = async () => {}
    const { status } = await job.rest(`/repos/octo/demo/actions/artifacts/${id}`, {
      method: 'DELETE',
    })
    expect(status).toBe(204)
  }
  return job
}

test('ListArtifacts leaves out an artifact that is deleted meanwhile', async () => {
  const job = await uploadTwo(1)
  const listed = await job.list()
  expect(listed.map(({ name }) => name)).toEqual(['stays'])
})

test('the REST API marks an artifact that is deleted meanwhile as expired', async () => {
  const job = await uploadTwo(2)
  const response = await job.rest('/repos/octo/demo/actions/runs/2/artifacts')
  expect(response.status).toBe(200)
  const { artifacts } = (await response.json()) as {
    artifacts: { name: string; expired: boolean }[]
  }
  expect(artifacts.map(({ name, expired }) => [name, expired])).toEqual([
    ['goes', true],
    ['stays', false],
  ])
})
