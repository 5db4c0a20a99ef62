import { expect, test } from 'vitest'
import { WorkflowError } from '../../src/workflow/file/problem.ts'
import { resolveUses } from '../../src/workflow/file/uses.ts'
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

test('unsupported features are reported with file, line, job and step before anything runs', async () => {
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
    "ci.yml:5:16: job 'image': trove run does not support job containers; --skip-unknown skips the job",
    "ci.yml:11:7: job 'database': trove run does not support service containers; --skip-unknown skips the job",
    "ci.yml:15:11: job 'other': cannot call './.github/workflows/other.yml': no file .github/workflows/other.yml; --skip-unknown skips the job",
    "ci.yml:18:15: job 'picture': trove run does not support runner image snapshots; --skip-unknown skips the job",
    "ci.yml:21:9: job 'picture': trove run does not support parallel steps; --skip-unknown skips the job",
    "ci.yml:28:15: job 'build', step 'Set up': cannot run 'actions/setup-node@v4': trove run does not download actions; pass its directory with --action actions/setup-node@v4=DIR; --skip-unknown skips the step",
    "ci.yml:29:15: job 'build', step 'docker://alpine:3': cannot run 'docker://alpine:3': trove run does not support container actions; --skip-unknown skips the step",
    "ci.yml:30:15: job 'build', step '../outside': cannot run '../outside': expected ./DIRECTORY, $/DIRECTORY or OWNER/REPO@REF; --skip-unknown skips the step",
    "tool/action.yml:6:13: job 'build', step './tool': box/action.yml uses 'docker', which trove run does not support; --skip-unknown skips the step",
  ])
  expect(failure.problems).toHaveLength(9)
  expect(place.events).toEqual([])
})

test('steps in the background and their companions are reported as parallel steps', async () => {
  const place = await createPlayground()
  const steps = `
- {id: server, run: sleep infinity, background: true}
- {run: echo, background: false}
- {wait: server}
- {wait-all: true}
- {cancel: server}`
  const failure = await place.run(oneJob(steps)).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw failure
  const message =
    "job 'job': trove run does not support parallel steps; --skip-unknown skips the job"
  expect(failure.problems).toMatchObject([6, 8, 9, 10].map((line) => ({ line, message })))
})

test('an invalid matrix is reported before anything runs, one with expressions when its job starts', async () => {
  const place = await createPlayground()
  const job = (node: string): string => `
    runs-on: x
    strategy: {matrix: {node: ${node}, exclude: [{nod: 18}]}}
    steps: [{run: echo}]`
  const literal = `on: push\njobs:\n  first: {runs-on: x, steps: [{run: echo}]}\n  test:${job('[18, 20]')}\n`
  const failure = await place.run(literal).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw failure
  expect(failure.problems).toMatchObject([
    { line: 6, message: "job 'test': matrix.exclude names nod, which is not a key of the matrix" },
  ])
  const run = await place.run(`on: push\njobs:\n  test:${job("'${{ fromJSON(vars.NODES) }}'")}\n`, {
    vars: { NODES: '[18, 20]' },
  })
  expect(run.conclusion).toBe('failure')
})

test('with skipUnknown the rest runs, and skipped jobs and steps are reported', async () => {
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
  // An earlier step may create this one, so it is looked up when its step runs.
  expect(run.log('build')).toContain("Can't find 'action.yml'")
  const warnings = place.events.flatMap((event) =>
    event.type === 'annotation' && event.annotation.level === 'warning'
      ? [event.annotation.message]
      : [],
  )
  expect(warnings).toHaveLength(7)
  expect(warnings.filter((warning) => warning.includes('\n'))).toEqual([])
  expect(warnings.join('\n')).not.toContain('--skip-unknown')
  expect(warnings).toContainEqual(
    expect.stringMatching(/^skipped: .*ci\.yml:5:16: trove run does not support job containers$/),
  )
})

test('an error in an action file is reported with its position in that file', async () => {
  const place = await createPlayground()
  await place.write(
    'tool/action.yml',
    'name: t\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: echo\n',
  )
  await expect(place.run(oneJob('- uses: ./tool'))).rejects.toThrow(
    /tool\/action\.yml:6:\d+: job 'job', step '\.\/tool': Required property is missing: shell/,
  )
})

test('composite actions that use themselves or others many times are planned once each', async () => {
  const place = await createPlayground()
  const action = (uses: string): string => {
    const step = `    - uses: ./${uses}\n`
    return `name: t\ndescription: d\nruns:\n  using: composite\n  steps:\n${step.repeat(10)}`
  }
  await place.write('itself/action.yml', action('itself'))
  for (let level = 1; level < 10; level++)
    await place.write(`level${level}/action.yml`, action(`level${level + 1}`))
  await place.write('level10/action.yml', action('none').replace('- uses: ./none', '- run: echo'))
  await expect(place.run(oneJob('- uses: ./itself'))).rejects.toThrow(/nested more than 10 levels/)
  // A script without a shell.
  const failure = await place.run(oneJob('- uses: ./level1')).catch((error: unknown) => error)
  if (!(failure instanceof WorkflowError)) throw failure
  expect(failure.problems).toHaveLength(1)
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
  ['$/actions/x', { kind: 'directory', directory: '/here/actions/x', home: { ref: 'main' } }],
  ['$/./actions/x', { kind: 'directory', directory: '/here/actions/x' }],
  ['$/', { kind: 'unsupported' }],
  ['$/../x', { kind: 'unsupported' }],
  ['$/actions/x@v1', { kind: 'unsupported' }],
  ['me/tool@v1', { kind: 'directory', directory: '/tools/one', home: { ref: 'v1' } }],
  [
    'me/tool/sub@v1',
    { kind: 'directory', directory: '/tools/one/sub', home: { directory: '/tools/one' } },
  ],
  [
    'me/any@whatever',
    {
      kind: 'directory',
      directory: '/tools/any',
      home: { repository: 'me/any', ref: 'whatever' },
    },
  ],
  ['actions/download-artifact@v8', { kind: 'directory', directory: '/stock' }],
  ['me/tool@v2', { kind: 'unsupported' }],
  ['me/tool', { kind: 'unsupported' }],
])('%s resolves', (uses, expected) => {
  const map = new Map([
    ['me/tool@v1', '/tools/one'],
    ['me/any', '/tools/any'],
    ['actions/download-artifact', '/stock'],
  ])
  const home = { repository: 'octo/demo', ref: 'main', directory: '/here' }
  expect(resolveUses(uses, map, home)).toMatchObject(expected)
})
