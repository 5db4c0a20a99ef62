import { expect, test } from 'vitest'
import { WorkflowError } from '../../src/workflow/problem.ts'
import { resolveUses } from '../../src/workflow/uses.ts'
import { createPlayground, oneJob } from './playground.ts'

const foreign = `on: push
jobs:
  image:
    runs-on: ubuntu-latest
    container: node:20
    steps:
      - run: echo
  database:
    runs-on: ubuntu-latest
    services:
      redis: {image: redis}
    steps:
      - run: echo
  other:
    uses: ./.github/workflows/other.yml
  picture:
    runs-on: ubuntu-latest
    snapshot: mine
    steps:
      - run: echo
      - parallel:
          - run: echo
          - run: echo
  build:
    runs-on: ubuntu-latest
    steps:
      - name: Set up
        uses: actions/setup-node@v4
      - uses: docker://alpine:3
      - uses: ../outside
      - uses: ./tool
      - run: echo built
`

test('what cannot run here is told with file, line, job and step before anything runs', async () => {
  const place = await createPlayground()
  await place.write(
    'tool/action.yml',
    'name: t\ndescription: d\nruns:\n  using: composite\n  steps:\n    - uses: ./box\n',
  )
  await place.write(
    'box/action.yml',
    'name: t\ndescription: d\nruns:\n  using: docker\n  image: Dockerfile\n',
  )
  const failure = await place.run(foreign).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw failure
  const messages = failure.message.replaceAll(`${place.repository}/`, '').split('\n')
  expect(messages.map((message) => message.replace('.github/workflows/', ''))).toEqual([
    "ci.yml:5:16: job 'image' asks for a job container, which does not run here",
    "ci.yml:11:7: job 'database' asks for service containers, which does not run here",
    "ci.yml:15:11: job 'other' asks for a reusable workflow, which does not run here",
    "ci.yml:18:15: job 'picture' asks for a snapshot of the runner's image, which does not run here",
    "ci.yml:21:9: job 'picture' asks for steps at the same time, which does not run here",
    "ci.yml:28:15: job 'build', step 'Set up': 'actions/setup-node@v4' cannot run: actions are not fetched; give its directory with --action actions/setup-node@v4=DIR, or leave it out with --skip-unknown",
    "ci.yml:29:15: job 'build', step 'docker://alpine:3': 'docker://alpine:3' cannot run: container actions do not run here",
    "ci.yml:30:15: job 'build', step '../outside': '../outside' cannot run: it is neither ./DIRECTORY nor OWNER/REPO@REF",
    "tool/action.yml:6:13: job 'build', step './tool': box/action.yml runs using 'docker', which does not run here",
  ])
  expect(failure.problems).toHaveLength(9)
  expect(place.events).toEqual([])
})

test('a matrix that cannot be is told before anything runs, one with expressions when its job begins', async () => {
  const place = await createPlayground()
  const job = (node: string): string => `
    runs-on: x
    strategy: {matrix: {node: ${node}, exclude: [{nod: 18}]}}
    steps: [{run: echo}]`
  const literal = `on: push\njobs:\n  first: {runs-on: x, steps: [{run: echo}]}\n  test:${job('[18, 20]')}\n`
  const failure = await place.run(literal).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw failure
  expect(failure.problems).toMatchObject([
    { line: 6, message: "job 'test': matrix.exclude names nod, which the matrix has not" },
  ])
  const run = await place.run(`on: push\njobs:\n  test:${job("'${{ fromJSON(vars.NODES) }}'")}\n`, {
    vars: { NODES: '[18, 20]' },
  })
  expect(run.conclusion).toBe('failure')
})

test('with skipUnknown the rest runs, and what is left out is told', async () => {
  const place = await createPlayground()
  const run = await place.run(foreign, { skipUnknown: true })
  expect(run.conclusions).toEqual({
    image: 'skipped',
    database: 'skipped',
    other: 'skipped',
    picture: 'skipped',
    build: 'failure',
  })
  expect(run.steps('build')).toMatchObject({
    'Set up': 'skipped',
    'docker://alpine:3': 'skipped',
    '../outside': 'skipped',
  })
  // This one may have been created by an earlier step, so it is looked for when its turn comes.
  expect(run.log('build')).toContain("Can't find 'action.yml'")
  const warnings = place.events.flatMap((event) =>
    event.type === 'annotation' && event.annotation.level === 'warning'
      ? [event.annotation.message]
      : [],
  )
  expect(warnings).toHaveLength(7)
  expect(warnings.filter((warning) => warning.includes('\n'))).toEqual([])
})

test('an action file with an error is told with its own place', async () => {
  const place = await createPlayground()
  await place.write(
    'tool/action.yml',
    'name: t\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: echo\n',
  )
  await expect(place.run(oneJob('- uses: ./tool'))).rejects.toThrow(
    /tool\/action\.yml:6:\d+: job 'job', step '\.\/tool': Required property is missing: shell/,
  )
})

test.each([
  ['actions/upload-artifact@v4', { kind: 'built-in', name: 'actions/upload-artifact' }],
  [
    'Actions/Upload-Artifact/merge@0123abc',
    { kind: 'built-in', name: 'actions/upload-artifact/merge' },
  ],
  ['actions/checkout@v99.1', { kind: 'built-in', name: 'actions/checkout' }],
  ['./.github/actions/x', { kind: 'workspace', path: '.github/actions/x' }],
  ['./a/../../b', { kind: 'unsupported' }],
  ['me/tool@v1', { kind: 'directory', directory: '/tools/one', ref: 'v1' }],
  ['me/tool/sub@v1', { kind: 'directory', directory: '/tools/one/sub' }],
  [
    'me/any@whatever',
    { kind: 'directory', directory: '/tools/any', repository: 'me/any', ref: 'whatever' },
  ],
  ['actions/download-artifact@v8', { kind: 'directory', directory: '/stock' }],
  ['me/tool@v2', { kind: 'unsupported' }],
  ['me/tool', { kind: 'unsupported' }],
])('%s is resolved', (uses, expected) => {
  const map = new Map([
    ['me/tool@v1', '/tools/one'],
    ['me/any', '/tools/any'],
    ['actions/download-artifact', '/stock'],
  ])
  expect(resolveUses(uses, map)).toMatchObject(expected)
})
