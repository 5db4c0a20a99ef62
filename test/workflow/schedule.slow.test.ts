import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { graphWorkflow, watchStarts } from './graph.ts'
import { createPlayground, type Playground } from './playground.ts'

/** Returns the highest number of jobs that ran concurrently. */
function widest(place: Playground, id?: string): number {
  let running = 0
  let most = 0
  for (const event of place.events) {
    if (event.type !== 'job-started' && event.type !== 'job-finished') continue
    if (id !== undefined && event.job.id !== id) continue
    running += event.type === 'job-started' ? 1 : -1
    most = Math.max(most, running)
  }
  return most
}

test('in a graph of 20 jobs with artifacts between them, each starts in the turn in which its needs are met', async () => {
  const place = await createPlayground()
  const { sink, waits } = watchStarts()
  const run = await place.run(graphWorkflow(5, 4), { jobsMax: 20, sinks: [sink] })
  expect(run.conclusion).toBe('success')
  expect(place.artifacts.stored).toHaveLength(20)
  // The first layer needs nothing.
  expect([...waits.values()]).toEqual(Array.from({ length: 16 }, () => 0))
})

test('no more jobs run concurrently than allowed, in the run and in a matrix', async () => {
  const place = await createPlayground()
  const matrix = (limit: string): string => `
on: push
jobs:
  m:
    runs-on: x
    strategy:
      ${limit}
      matrix: {n: [1, 2, 3, 4, 5]}
    steps: [{run: sleep 0.05}]
`
  await place.run(matrix('max-parallel: 2'), { jobsMax: 10 })
  expect(widest(place, 'm')).toBe(2)
  await place.run(matrix('fail-fast: true'), { jobsMax: 3 })
  expect(widest(place)).toBe(3)
})

test('jobs of a concurrency group run one after another, and group names are case-insensitive', async () => {
  const place = await createPlayground()
  const job = (group: string): string => `
    runs-on: x
    concurrency: ${group}
    strategy: {matrix: {n: [1, 2]}}
    steps: [{run: sleep 0.1}]`
  const workflow = `
on: push
jobs:
  a:${job('deploy-${{ github.ref_name }}')}
  b:${job('{group: Deploy-main, cancel-in-progress: true}')}
  c:${job('other-${{ matrix.n }}')}
`
  const run = await place.run(workflow, { jobsMax: 10 })
  expect(Object.values(run.conclusions)).toEqual(Array.from({ length: 6 }, () => 'success'))
  // One job of the group, and both instances of the third job.
  expect(widest(place)).toBe(3)
})

test('a matrix can come from a job output, and its own outputs are those of the last instance to set them', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  plan:
    runs-on: x
    outputs: {matrix: '\${{ steps.m.outputs.m }}'}
    steps: [{id: m, run: 'echo "m={\\"shard\\":[1,2],\\"include\\":[{\\"shard\\":2,\\"slow\\":true}]}" >> $GITHUB_OUTPUT'}]
  test:
    name: \${{ matrix.shard }} of \${{ strategy.job-total }}
    needs: plan
    runs-on: x
    strategy:
      matrix: \${{ fromJSON(needs.plan.outputs.matrix) }}
    outputs:
      last: \${{ steps.s.outputs.at }}
    steps:
      - id: s
        run: |
          \${{ matrix.slow && 'sleep 0.2' || 'true' }}
          echo "at=\${{ matrix.shard }}" >> $GITHUB_OUTPUT
  report:
    needs: test
    runs-on: x
    steps: [{run: 'echo last was \${{ needs.test.outputs.last }}'}]
`)
  expect(run.conclusions).toEqual({
    plan: 'success',
    '1 of 2': 'success',
    '2 of 2': 'success',
    report: 'success',
  })
  expect(run.log('report')).toContain('last was 2')
})

test('a matrix that cannot be expanded fails its job and reports its position', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  m:
    runs-on: x
    strategy:
      matrix: \${{ fromJSON('{"os":"linux"}') }}
    steps: [{run: 'true'}]
`)
  expect(run.conclusions).toEqual({ m: 'failure' })
  const [message] = place.events.flatMap((event) =>
    event.type === 'annotation' ? [event.annotation.message] : [],
  )
  expect(message).toMatch(/ci\.yml:7:\d+: matrix\.os must be a list/)
})

test('a matrix instance never shares its key, and so its directory, with a job of that name', async () => {
  const place = await createPlayground()
  const run = await place.run(
    `
on: push
jobs:
  build:
    runs-on: x
    strategy: {matrix: {n: [1, 2]}}
    steps: [{run: 'test ! -e mine && echo build > mine && sleep 0.2 && cat mine'}]
  build-1:
    runs-on: x
    steps: [{run: 'test ! -e mine && echo other > mine && sleep 0.2 && cat mine'}]
`,
    { jobsMax: 3 },
  )
  expect(run.conclusions).toEqual({
    'build (1)': 'success',
    'build (2)': 'success',
    'build-1': 'success',
  })
  expect(run.jobs.map(({ reference }) => reference.key)).toEqual(['1-build', 'build-2', 'build-1'])
  expect(run.log('build (1)')).toMatch(/^build$/m)
  expect(run.log('build-1')).toMatch(/^other$/m)
})

test('a job whose name is empty is shown by its id', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  literal: {runs-on: x, name: '', strategy: {matrix: {n: [1]}}, steps: [{run: 'true'}]}
  evaluated: {runs-on: x, name: '\${{ vars.ABSENT }}', steps: [{run: 'true'}]}
  skipped: {runs-on: x, if: false, name: '', steps: [{run: 'true'}]}
`)
  expect(Object.keys(run.conclusions)).toEqual(['literal (1)', 'evaluated', 'skipped'])
})

test('a job that is called like the tool cache leaves the tools of other jobs alone', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  first: {runs-on: x, steps: [{run: 'echo kept > "$RUNNER_TOOL_CACHE/tool"'}]}
  _tool: {runs-on: x, needs: first, steps: [{run: 'cat "$RUNNER_TOOL_CACHE/tool"'}]}
`)
  expect(run.conclusions).toEqual({ first: 'success', _tool: 'success' })
})

test.each(['RUNNER_TOOL_CACHE', 'AGENT_TOOLSDIRECTORY'])('tools are kept in %s', async (name) => {
  const place = await createPlayground()
  const tools = join(place.root, 'tools')
  const step = `run: '[ "$RUNNER_TOOL_CACHE" = "$AGENT_TOOLSDIRECTORY" ] && echo kept > "\${{ runner.tool_cache }}/tool"'`
  const { PATH = '' } = process.env
  const run = await place.run(`{on: push, jobs: {job: {runs-on: x, steps: [{${step}}]}}}`, {
    environment: { PATH, [name]: tools },
  })
  expect(run.conclusions).toEqual({ job: 'success' })
  expect(await readFile(join(tools, 'tool'), 'utf8')).toBe('kept\n')
})

test('an instance whose name cannot be evaluated fails its job before any instance runs', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
jobs:
  m:
    runs-on: x
    name: \${{ fromJSON(matrix.n) }}
    strategy: {matrix: {n: ['1', '{']}}
    steps: [{run: echo ran}]
`)
  expect(run.jobs.map(({ conclusion }) => conclusion)).toEqual(['failure'])
  expect(place.events.filter(({ type }) => type === 'job-started')).toEqual([])
  expect(place.events.filter(({ type }) => type === 'job-finished')).toHaveLength(1)
})
