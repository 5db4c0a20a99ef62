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
