/** The files of called workflows: where they are looked up, and what is rejected before the run. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { formatIgnored, formatPlan, planMessage } from '../../src/cli/run/workflow-plan.ts'
import { prepareWorkflow } from '../../src/workflow/run.ts'
import { createPlayground, facts, type Playground, problemsOf } from './playground.ts'

const steps = 'runs-on: x, steps: [{run: echo}]'

const called = `on:
  workflow_call:
    inputs:
      level: {type: number}
      name: {type: string, required: true}
    secrets:
      TOKEN: {required: true}
      OTHER:
jobs:
  a: {${steps}}
`

test.each([
  [['with: {name: n}', 'secrets: {TOKEN: t}'], []],
  // Names are case-insensitive.
  [['with: {NAME: n}', 'secrets: {token: t}'], []],
  [['with: {name: n}', 'secrets: inherit'], []],
  [['with: {name: 3}', 'secrets: inherit'], []],
  [['secrets: inherit'], ['4: Input name is required, but not provided while calling.']],
  [['with: {name: n}'], ['4: Secret TOKEN is required, but not provided while calling.']],
  [
    ['with: {name: n, size: 3}', 'secrets: inherit'],
    ['5: Invalid input, size is not defined in the referenced workflow.'],
  ],
  [
    ['with: {name: n}', 'secrets: {TOKEN: t, MORE: m}'],
    ['6: Invalid secret, MORE is not defined in the referenced workflow.'],
  ],
  [
    ['with: {name: n, level: high}', 'secrets: inherit'],
    [`5: input 'level' must be a number, got "high"`],
  ],
])('a call with %j has the problems %j', async (keys, expected) => {
  const place = await createPlayground()
  await place.write('.github/workflows/called.yml', called)
  const workflow = `on: push\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n    ${keys.join('\n    ')}\n`
  const problems = expected.length === 0 ? [] : await problemsOf(place, workflow)
  if (expected.length === 0) expect((await place.run(workflow)).conclusion).toBe('success')
  expect(problems).toEqual(expected.map((each) => `ci.yml:${each.replace(': ', ": job 'call': ")}`))
})

const forms = './.github/workflows/FILE.yml or OWNER/REPO/.github/workflows/FILE.yml@REF'

test.each([
  [
    './.github/workflows/absent.yml',
    'no file /.github/workflows/absent.yml; --skip-unknown skips the job',
  ],
  ['./.github/workflows/called.yml@v1', `expected ${forms}`],
  ['./workflows/called.yml', `expected ${forms}`],
  ['./.github/workflows/../called.yml', `expected ${forms}`],
  ['./.github/workflows/sub/called.yml', `expected ${forms}`],
  ['called.yml', `expected ${forms}`],
  ['me/tools/.github/workflows/called.yml', `expected ${forms}`],
  [
    'me/tools/.github/workflows/called.yml@v1',
    'trove run does not download workflows; pass the directory of its repository with --action me/tools@v1=DIR; --skip-unknown skips the job',
  ],
])('a call of %s is rejected', async (uses, message) => {
  const place = await createPlayground()
  const problems = await problemsOf(place, `on: push\njobs:\n  call:\n    uses: ${uses}\n`)
  expect(problems).toEqual([`ci.yml:4: job 'call': cannot call '${uses}': ${message}`])
})

test('skipUnknown skips calls of workflows that are not on this machine, and no faulty ones', async () => {
  const place = await createPlayground()
  const remote = 'on: push\njobs:\n  call: {uses: me/x/.github/workflows/a.yml@v1}\n'
  const run = await place.run(remote, { skipUnknown: true })
  expect(run.conclusions).toEqual({ call: 'skipped' })
  await place.write('.github/workflows/called.yml', called)
  expect(
    await problemsOf(place, 'on: push\njobs:\n  call: {uses: ./.github/workflows/called.yml}\n', {
      skipUnknown: true,
    }),
  ).toHaveLength(2)
})

test('faults of a called workflow are reported in its file, once for all its callers', async () => {
  const place = await createPlayground()
  await place.write('.github/workflows/push.yml', `on: push\njobs:\n  a: {${steps}}\n`)
  await place.write(
    '.github/workflows/broken.yml',
    `on: workflow_call\njobs:\n  a: {runs-on: x}\n  b:\n`,
  )
  await place.write(
    '.github/workflows/box.yml',
    `on: workflow_call\njobs:\n  image:\n    container: node\n    runs-on: x\n    steps: [{uses: me/tool@v1}]\n`,
  )
  const call = (file: string): string => `{uses: ./.github/workflows/${file}.yml}`
  expect(
    await problemsOf(
      place,
      `on: push\njobs:\n  a: ${call('push')}\n  b: ${call('broken')}\n  c: ${call('box')}\n  d: ${call('box')}\n`,
    ),
  ).toEqual([
    "ci.yml:3: job 'a': workflow_call key is not defined in the referenced workflow.",
    expect.stringMatching(/^broken\.yml:\d: job 'b': /),
    "box.yml:4: job 'image': trove run does not support job containers; --skip-unknown skips the job",
    expect.stringMatching(/^box\.yml:6: job 'image', step 'me\/tool@v1': cannot run/),
  ])
})

/** Writes workflows `w1`, `w2`… of which each calls the next; `last` is the job of the last. */
async function writeChain(place: Playground, length: number, last: string): Promise<void> {
  for (let n = 1; n <= length; n += 1) {
    const job = n === length ? last : `{uses: ./.github/workflows/w${n + 1}.yml}`
    await place.write(`.github/workflows/w${n}.yml`, `on: workflow_call\njobs:\n  j${n}: ${job}\n`)
  }
}

const callFirst = 'on: push\njobs:\n  call: {uses: ./.github/workflows/w1.yml}\n'

test('workflows may call each other ten levels deep, and not in a cycle', async () => {
  const place = await createPlayground()
  await writeChain(place, 9, `{${steps}}`)
  const run = await place.run(callFirst)
  expect(run.conclusions).toEqual({
    'call / j1 / j2 / j3 / j4 / j5 / j6 / j7 / j8 / j9': 'success',
  })
  await writeChain(place, 10, `{${steps}}`)
  expect(await problemsOf(place, callFirst)).toEqual([
    "w9.yml:3: job 'j9': cannot call './.github/workflows/w10.yml': at most 10 levels of workflows can be connected",
  ])
  await writeChain(place, 3, '{uses: ./.github/workflows/w2.yml}')
  expect(await problemsOf(place, callFirst)).toEqual([
    "w3.yml:3: job 'j3': cannot call './.github/workflows/w2.yml': the workflows call each other in a cycle: w2.yml → w3.yml → w2.yml",
  ])
  const self = 'on: [push, workflow_call]\njobs:\n  again: {uses: ./.github/workflows/ci.yml}\n'
  expect(await problemsOf(place, self)).toEqual([expect.stringContaining('ci.yml → ci.yml')])
})

test('a workflow of another repository is found through actions, and its own calls and $/ actions there', async () => {
  const place = await createPlayground()
  const other = join(place.root, 'other')
  const composite = (step: string): string =>
    `name: t\ndescription: d\nruns: {using: composite, steps: [${step}]}\n`
  const files = {
    '.github/workflows/entry.yml':
      'on: workflow_call\njobs:\n  in: {uses: $/.github/workflows/inner.yml}\n',
    '.github/workflows/inner.yml':
      "on: workflow_call\njobs:\n  a: {runs-on: x, steps: [{uses: $/first}, {uses: actions/checkout@v4}, {uses: ./tool}, {run: 'echo ${{ job.workflow_ref }}'}]}\n",
    'first/action.yml': composite('{uses: $/second}'),
    'own/action.yml': composite('{run: echo own of the other, shell: sh}'),
    'second/action.yml': composite('{run: "echo second of $GITHUB_ACTION_REPOSITORY", shell: sh}'),
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(other, path)), { recursive: true })
    await writeFile(join(other, path), text)
  }
  // Local actions are looked up in the workspace, which is the caller's; what they use with `$/` is
  // in the repository of the workflow.
  await place.write('tool/action.yml', composite('{uses: $/own}'))
  await place.write('own/action.yml', composite('{run: echo own of the caller, shell: sh}'))
  await place.write('plain/action.yml', composite('{uses: $/own}'))
  const run = await place.run(
    `on: push
jobs:
  call: {uses: me/other/.github/workflows/entry.yml@v1}
  mine: {runs-on: x, steps: [{uses: $/plain}]}
`,
    { actions: new Map([['me/other@v1', other]]) },
  )
  expect(run.conclusions).toEqual({ 'call / in / a': 'success', mine: 'success' })
  expect(run.log('call / in / a')).toContain('second of me/other')
  expect(run.log('call / in / a')).toContain('own of the other')
  expect(run.log('call / in / a')).toContain('me/other/.github/workflows/inner.yml@v1')
  expect(run.log('mine')).toContain('own of the caller')
})

test('the plan shows called jobs below the job that calls them, and names the files of their ignored keys', async () => {
  const place = await createPlayground()
  await place.write(
    '.github/workflows/called.yml',
    `on: workflow_call\npermissions: {}\njobs:\n  a: {${steps}}\n  b: {needs: a, uses: ./.github/workflows/inner.yml}\n`,
  )
  await place.write('.github/workflows/inner.yml', `on: workflow_call\njobs:\n  c: {${steps}}\n`)
  const workflowFile = await place.write(
    'ci.yml',
    `on: push\njobs:\n  first: {${steps}}\n  call:\n    needs: first\n    permissions: {}\n    uses: ./.github/workflows/called.yml\n`,
  )
  const planned = await prepareWorkflow({
    workflowFile,
    repositoryDirectory: place.repository,
    facts: facts(),
    environment: {},
  })
  expect(formatPlan(planned.jobs)).toBe(`first
  echo
call  calls ./.github/workflows/called.yml  needs first
  a
    echo
  b  calls ./.github/workflows/inner.yml  needs a
    c
      echo
`)
  const echo = [{ name: 'echo' }]
  expect(planned.jobs.map(planMessage)).toEqual([
    { id: 'first', needs: [], steps: echo },
    {
      id: 'call',
      needs: ['first'],
      calls: './.github/workflows/called.yml',
      steps: [],
      jobs: [
        { id: 'a', needs: [], steps: echo },
        {
          id: 'b',
          needs: ['a'],
          calls: './.github/workflows/inner.yml',
          steps: [],
          jobs: [{ id: 'c', needs: [], steps: echo }],
        },
      ],
    },
  ])
  expect(formatIgnored(planned)).toBe(
    'ignored keys: permissions (line 6), permissions (called.yml, line 2)\n',
  )
})

test('a job key too long for a directory is replaced by its hash', async () => {
  const place = await createPlayground()
  const id = (letter: string): string => letter.repeat(99)
  await place.write(
    '.github/workflows/w2.yml',
    `on: workflow_call\njobs: {${id('c')}: {${steps}}}\n`,
  )
  await place.write(
    '.github/workflows/w1.yml',
    `on: workflow_call\njobs: {${id('b')}: {uses: ./.github/workflows/w2.yml}}\n`,
  )
  const run = await place.run(
    `on: push\njobs:\n  ${id('a')}: {uses: ./.github/workflows/w1.yml}\n  ${id('d')}: {uses: ./.github/workflows/w1.yml}\n`,
  )
  expect(run.conclusion).toBe('success')
  const keys = new Set(run.jobs.map(({ reference }) => reference.key))
  expect(keys.size).toBe(2)
  for (const key of keys) expect(key).toMatch(/^[0-9a-f]{64}$/)
})
