import { expect, test } from 'vitest'
import { createPlayground, oneJob, type Playground } from './playground.ts'

/** Writes a composite action `c` with these steps, given as YAML flow mappings. */
async function writeComposite(place: Playground, steps: string[]): Promise<void> {
  const list = steps.map((step) => `    - ${step}\n`).join('')
  const head = 'name: C\ndescription: d\nruns:\n  using: composite\n  steps:\n'
  await place.write('c/action.yml', head + list)
}

test('the job context in a composite action has the status of the job', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    "{shell: sh, run: 'echo job is ${{ job.status }}, action is ${{ github.action_status }}'}",
    '{shell: sh, run: exit 1}',
    "{if: failure(), shell: sh, run: 'echo job is still ${{ job.status }}'}",
  ])
  const run = await place.run(
    oneJob(`
- {name: first, uses: $/c, continue-on-error: true}
- {run: exit 1}
- {name: second, uses: $/c, if: always()}
`),
  )
  expect(run.log('job').match(/^job is .*/gm)).toEqual([
    'job is success, action is success',
    'job is still success',
    'job is failure, action is success',
    'job is still failure',
  ])
})

test('cancelled() holds in a composite action that runs although its job is cancelled', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    '{if: cancelled(), shell: sh, run: echo told}',
    '{shell: sh, run: echo cleaned}',
  ])
  const run = await place.run(
    oneJob('- {run: sleep 60}\n- {uses: $/c, if: always()}', 'timeout-minutes: 0.002'),
  )
  expect(run.conclusion).toBe('cancelled')
  expect(run.log('job')).toMatch(/^told$/m)
  expect(run.log('job')).toMatch(/^cleaned$/m)
})

test('a step of a composite action does not outlast the timeout of the action', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    '{if: always(), shell: sh, run: sleep 60}',
    '{if: always(), shell: sh, run: sleep 60; echo never}',
    '{if: failure(), shell: sh, run: echo never}',
  ])
  const startedAt = Date.now()
  const run = await place.run(
    oneJob(`
- {name: slow, uses: $/c, timeout-minutes: 0.005}
- {name: after, if: failure(), run: 'true'}
`),
  )
  expect(run.steps('job')).toEqual({ slow: 'failure', after: 'success' })
  expect(run.log('job')).toContain("The action 'slow' has timed out after 0.005 minutes.")
  expect(run.log('job')).not.toMatch(/^never$/m)
  expect(Date.now() - startedAt).toBeLessThan(20_000)
})

test('commands that one step of a composite action stops are processed again in the next', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    "{shell: sh, run: 'echo ::stop-commands::until-here; echo ::add-mask::shown'}",
    "{shell: sh, run: 'echo ::add-mask::hidden; echo shown, hidden'}",
  ])
  const run = await place.run(oneJob('- uses: $/c'))
  expect(run.log('job')).toMatch(/^shown, \*\*\*$/m)
})

test('a cancelled job stops the steps of a composite action that runs on, unless their condition holds', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    '{shell: sh, run: sleep 60; echo never}',
    '{shell: sh, run: echo never}',
    "{if: always(), shell: sh, run: 'echo cleaned, action is ${{ github.action_status }}'}",
    '{if: failure(), shell: sh, run: echo never}',
  ])
  const run = await place.run(
    oneJob(
      '- {name: tidy, if: always(), uses: $/c}\n- {name: last, if: always(), run: true}',
      'timeout-minutes: 0.01',
    ),
  )
  expect(run.conclusion).toBe('cancelled')
  expect(run.log('job')).not.toMatch(/^never$/m)
  expect(run.log('job')).toMatch(/^cleaned, action is cancelled$/m)
  expect(run.steps('job')).toEqual({ tidy: 'cancelled', last: 'success' })
})

test('a step that goes on in a cancelled job ends with the timeout of its composite action', async () => {
  const place = await createPlayground()
  await writeComposite(place, ['{if: always(), shell: sh, run: sleep 60; echo never}'])
  const startedAt = Date.now()
  const run = await place.run(
    oneJob(
      '- {name: slow, if: always(), uses: $/c, timeout-minutes: 0.02}',
      'timeout-minutes: 0.005',
    ),
  )
  expect(run.steps('job')).toEqual({ slow: 'failure' })
  expect(run.log('job')).not.toMatch(/^never$/m)
  expect(Date.now() - startedAt).toBeLessThan(20_000)
})

test('a condition that cannot be evaluated ends a composite action, whose outputs are still set', async () => {
  const place = await createPlayground()
  await place.write(
    'c/action.yml',
    `
name: C
description: d
outputs:
  said: {description: d, value: '\${{ steps.one.outputs.said }}'}
  outcome: {description: d, value: '\${{ steps.two.outcome }}'}
runs:
  using: composite
  steps:
    - {id: one, shell: sh, run: 'echo said=hello >> "$GITHUB_OUTPUT"'}
    - {id: two, if: "fromJSON('{')", shell: sh, run: echo never}
    - {if: always(), shell: sh, run: echo never}
`,
  )
  const run = await place.run(
    oneJob(`
- {id: c, name: broken, uses: $/c, continue-on-error: true}
- {name: next, run: 'echo got \${{ steps.c.outputs.said }} \${{ steps.c.outputs.outcome }}'}
`),
  )
  expect(run.log('job')).not.toMatch(/^never$/m)
  expect(run.log('job')).toMatch(/^got hello failure$/m)
  expect(run.steps('job')).toEqual({ broken: 'success', next: 'success' })
})

test('steps of composite actions in each other have the id of the step of the job in GITHUB_ACTION', async () => {
  const place = await createPlayground()
  await writeComposite(place, [
    `{id: inner, shell: sh, run: 'echo "is $GITHUB_ACTION \${{ github.action }} [$GITHUB_ACTION_STATUS]"'}`,
  ])
  await place.write(
    'd/action.yml',
    'name: D\ndescription: d\nruns:\n  using: composite\n  steps: [{id: mid, uses: $/c}]\n',
  )
  const run = await place.run(oneJob('- {id: one, uses: $/d}\n- {id: two, uses: $/c}'))
  expect(run.log('job').match(/^is .*/gm)).toEqual(['is one one []', 'is two two []'])
})

test('the log of a composite action has one group per step, with the script in it', async () => {
  const place = await createPlayground()
  await writeComposite(place, ['{name: one, shell: sh, run: echo 1}', '{name: two, uses: $/d}'])
  await place.write(
    'd/action.yml',
    "name: D\ndescription: d\nruns:\n  using: composite\n  steps: [{shell: sh, run: 'echo 2'}]\n",
  )
  await place.run(oneJob('- uses: $/c'))
  const shown = place.events.flatMap((event) => {
    if (event.type === 'group-started') return [`> ${event.title}`]
    if (event.type === 'group-finished') return ['<']
    return event.type === 'line' ? [event.text] : []
  })
  expect(shown).toEqual([
    '> one',
    'echo 1',
    'shell: sh -e {0}',
    '<',
    '1',
    '> two',
    '<',
    '> Run echo 2',
    'echo 2',
    'shell: sh -e {0}',
    '<',
    '2',
  ])
})
