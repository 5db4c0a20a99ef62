/** Bounds on what a run calls. */
import { expect, test } from 'vitest'
import { prepareWorkflow } from '../../src/workflow/run.ts'
import { createPlayground, facts, problemsOf } from './playground.ts'

const steps = 'runs-on: x, steps: [{run: echo}]'

test('a run calls at most 50 different workflows, and has at most 10,000 jobs', async () => {
  const place = await createPlayground()
  const calls = (count: number, file: (n: number) => string): string =>
    Array.from(
      { length: count },
      (_, n) => `  j${n}: {uses: ./.github/workflows/${file(n)}.yml}\n`,
    ).join('')
  for (let n = 0; n <= 50; n += 1)
    await place.write(`.github/workflows/f${n}.yml`, `on: workflow_call\njobs: {a: {${steps}}}\n`)
  const different = (count: number): string => `on: push\njobs:\n${calls(count, (n) => `f${n}`)}`
  const options = {
    workflowFile: await place.write('a.yml', different(50)),
    repositoryDirectory: place.repository,
    facts: facts(),
    environment: {},
  }
  expect((await prepareWorkflow(options)).jobs).toHaveLength(50)
  expect(await problemsOf(place, different(51))).toEqual([
    "ci.yml:53: job 'j50': the run calls more than 50 different workflows",
  ])
  await place.write(
    '.github/workflows/many.yml',
    `on: workflow_call\njobs:\n${calls(30, () => 'more')}`,
  )
  await place.write(
    '.github/workflows/more.yml',
    `on: workflow_call\njobs:\n${calls(30, () => 'f0')}`,
  )
  const problems = await problemsOf(place, `on: push\njobs:\n${calls(30, () => 'many')}`)
  expect(problems).toContain(
    "ci.yml:32: job 'j29': called workflows add more than 10000 jobs to the run",
  )
})
