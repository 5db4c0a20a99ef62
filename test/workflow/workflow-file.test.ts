import { expect, test } from 'vitest'
import { formatProblem } from '../../src/workflow/file/problem.ts'
import { parseWorkflow, type Workflow } from '../../src/workflow/file/workflow-file.ts'

/** Returns the problems of a workflow as `line:column: message`. */
function problemsOf(text: string): string[] {
  const parsed = parseWorkflow('ci.yml', text)
  return 'problems' in parsed ? parsed.problems.map(formatProblem) : []
}

/** Fails with the problems if there are any. */
function workflowOf(text: string): Workflow {
  const parsed = parseWorkflow('ci.yml', text)
  if ('problems' in parsed) throw new Error(parsed.problems.map(formatProblem).join('\n'))
  return parsed.workflow
}

test('every problem names file, line and column', () => {
  const problems = problemsOf(`on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: echo \${{ foo.bar }}
      - rum: echo
  broken:
    steps:
      - run: echo
`)
  expect(problems).toContain("ci.yml:6:19: Unrecognized named-value: 'foo'")
  expect(problems).toContain("ci.yml:7:9: Unexpected value 'rum'")
  expect(problems).toContain('ci.yml:9:5: Required property is missing: runs-on')
})

test('needs must exist and must not form a cycle', () => {
  const job = (id: string, needs: string): string =>
    `  ${id}:\n    needs: ${needs}\n    runs-on: x\n    steps: [{run: a}]\n`
  expect(
    problemsOf(
      `on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n${job('b', 'nowhere')}`,
    ),
  ).toEqual(["ci.yml:7:12: Job 'b' depends on unknown job 'nowhere'."])
  const circle = problemsOf(
    `on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n${job('b', 'c')}${job('c', 'b')}`,
  )
  expect(circle.join('\n')).toContain("Job 'b' depends on job 'c' which creates a cycle")
})

test('invalid YAML and an empty file are problems, not exceptions', () => {
  expect(problemsOf('on: push\njobs: [')[0]).toMatch(/^ci\.yml:\d+:\d+: /)
  expect(problemsOf('on: push\nenv: { a: x-${{ b }}, c: d }\njobs:\n  e:\n    f: g\n')).toEqual([
    expect.stringMatching(/^ci\.yml:2:14: Unexpected flow-map-start/),
  ])
  expect(problemsOf('')).toHaveLength(1)
  expect(problemsOf('just text')).not.toHaveLength(0)
})

test('a condition without a status function gets success(), one with it is unchanged', () => {
  const workflow = workflowOf(`on: push
jobs:
  a:
    runs-on: x
    if: github.ref == 'x'
    steps:
      - run: a
        if: always() && true
      - run: b
`)
  const [job] = workflow.jobs
  expect(job?.condition.expression).toBe("success() && (github.ref == 'x')")
  expect(job?.steps.map((step) => step.condition.expression)).toEqual([
    'always() && true',
    'success()',
  ])
})

// As in rollup's workflow, whose matrix has the variables of each target.
test('env of a job or step can be one expression', () => {
  const workflow = workflowOf(`on: push
jobs:
  a:
    runs-on: x
    env: \${{ fromJSON(vars.ENV) }}
    steps:
      - {run: a, env: '\${{ matrix.env }}'}
  b:
    uses: ./.github/workflows/b.yml
    with: {env: '\${{ vars.ENV }}'}
`)
  const [a, b] = workflow.jobs
  const shown = [a?.env?.token, a?.steps[0]?.env?.token, b?.call?.['input-values']?.find('env')]
  expect(shown.map(String)).toEqual([
    '${{ fromJSON(vars.ENV) }}',
    '${{ matrix.env }}',
    '${{ vars.ENV }}',
  ])
})

// As on GitHub. The first is helm's, which has no effect there either; the second is jekyll's.
test('filters of events that take none are ignored, unknown filters of others are problems', () => {
  const on = (events: string): string[] =>
    problemsOf(`on: ${events}\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n`)
  expect(on("{create: {tags: ['v*']}, push: {branches: [main]}}")).toEqual([])
  expect(on("{pull_request: {tags-ignore: ['**']}, pull_request_target: {tags: [a]}}")).toEqual([])
  expect(on('{push: {branch: main}}')).toEqual(["ci.yml:1:13: Unexpected value 'branch'"])
  expect(on('{pusch: }')).toEqual(["ci.yml:1:6: Unexpected value 'pusch'"])
})

test('step ids must be unique', () => {
  const problems = problemsOf(`on: push
jobs:
  a:
    runs-on: x
    steps:
      - {id: one, run: a}
      - {id: one, run: b}
`)
  expect(problems.join()).toMatch(/ci\.yml:7:\d+: .*one/)
})

test('keys that have no effect here are reported with their positions', () => {
  const workflow = workflowOf(`on: push
run-name: by \${{ github.actor }}
permissions: {contents: read}
concurrency: {group: ci, cancel-in-progress: true}
jobs:
  a:
    runs-on: x
    environment: production
    permissions: write-all
    cancel-timeout-minutes: 2
    concurrency: deploy
    steps: [{run: a}]
`)
  const placed = [workflow, ...workflow.jobs].map(({ ignored }) =>
    ignored.map(({ key, position }) => `${position.line} ${key}`),
  )
  expect(placed).toEqual([
    ['2 run-name', '3 permissions', '4 concurrency'],
    ['8 environment', '9 permissions', '10 cancel-timeout-minutes'],
  ])
})
