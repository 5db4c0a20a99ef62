import { expect, test } from 'vitest'
import { createPlayground, oneJob, type Playground } from './playground.ts'

/** Writes a JavaScript action `js` whose pre and post scripts fail. */
async function writeAction(place: Playground): Promise<void> {
  const runs = '{using: node20, pre: fail.js, main: main.js, post: fail.js}'
  await place.write('js/action.yml', `name: t\ndescription: d\nruns: ${runs}\n`)
  await place.write('js/fail.js', 'process.exitCode = 1')
  await place.write('js/main.js', '')
}

test('continue-on-error of a step covers the pre and post scripts of its action', async () => {
  const place = await createPlayground()
  await writeAction(place)
  const run = await place.run(
    oneJob("- {name: js, uses: $/js, continue-on-error: true}\n- {name: next, run: 'true'}"),
  )
  expect(run.conclusion).toBe('success')
  const ends = place.events.flatMap((event) =>
    event.type === 'step-finished' ? [[event.outcome, event.conclusion]] : [],
  )
  expect(ends).toEqual([
    ['failure', 'success'],
    ['success', 'success'],
    ['success', 'success'],
    ['failure', 'success'],
  ])
})

test('the pre script of an action in the workspace is not run, with a warning', async () => {
  const place = await createPlayground()
  await writeAction(place)
  const run = await place.run(
    oneJob('- uses: actions/checkout@v6\n- {uses: ./js, continue-on-error: true}'),
  )
  expect(run.conclusion).toBe('success')
  expect(run.log('job')).toContain("`pre` execution is not supported for local action from './js'")
})

/** Writes a JavaScript action `late` whose scripts show what they get. */
async function writeLate(place: Playground): Promise<void> {
  const inputs = '{word: {description: d}}'
  const runs = '{using: node20, main: show.js, post: show.js}'
  await place.write(
    'late/action.yml',
    `name: t\ndescription: d\ninputs: ${inputs}\nruns: ${runs}\n`,
  )
  await place.write(
    'late/show.js',
    `const { env } = process
require('fs').appendFileSync(env.GITHUB_STATE, 'seen=yes\\n')
const path = env.GITHUB_ACTION_PATH || ''
const dir = path.slice(path.lastIndexOf('/') + 1)
console.log(['shown', env.INPUT_WORD, env.OWN, env.STATE_seen, dir].join())`,
  )
}

test('the inputs and the env of a step are evaluated again for the post script of its action', async () => {
  const place = await createPlayground()
  await writeLate(place)
  const run = await place.run(
    oneJob(`
- {id: set, run: 'echo "said=first" >> "$GITHUB_OUTPUT"'}
- {uses: $/late, with: {word: '\${{ env.WORD }}-\${{ steps.set.outputs.said }}-\${{ job.status }}'}, env: {OWN: 'own \${{ env.WORD }}'}}
- {run: 'echo WORD=new >> "$GITHUB_ENV"; exit 1'}
`).replace('jobs:', 'env: {WORD: old}\njobs:'),
  )
  expect(run.log('job').match(/^shown.*/gm)).toEqual([
    'shown,old-first-success,own old,,',
    'shown,new-first-failure,own new,yes,',
  ])
})

test('the post script of an action in a composite action sees the steps and inputs of that action', async () => {
  const place = await createPlayground()
  await writeLate(place)
  await place.write(
    'c/action.yml',
    `
name: C
description: d
inputs: {given: {description: d}}
runs:
  using: composite
  steps:
    - {id: set, shell: sh, run: 'echo "said=inner" >> "$GITHUB_OUTPUT"'}
    - {uses: $/late, with: {word: '\${{ inputs.given }}-\${{ steps.set.outputs.said }}'}}
`,
  )
  const run = await place.run(oneJob('- {uses: $/c, with: {given: outer}}'))
  expect(run.log('job').match(/^shown.*/gm)).toEqual([
    'shown,outer-inner,,,c',
    'shown,outer-inner,,yes,c',
  ])
})
