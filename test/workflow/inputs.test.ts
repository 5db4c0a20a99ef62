/** Inputs and events of a run: given values, defaults of the workflow, and invalid combinations. */
import { expect, test } from 'vitest'
import type { Json } from '../../src/workflow/expression/expression.ts'
import { createPlayground, facts } from './playground.ts'

const withInputs = `
on:
  push:
  workflow_dispatch:
    inputs:
      deep: {type: boolean, default: true}
      count: {type: number, default: 3}
      bare: {type: boolean}
jobs:
  job:
    runs-on: x
    steps:
      - run: |
          echo "typed [\${{ inputs.deep }}] \${{ inputs.deep == true }} \${{ inputs.count == 3 }} [\${{ inputs.bare }}]"
          echo "text \${{ github.event.inputs.deep == 'true' }} \${{ github.event.inputs.count == '3' }} \${{ github.event.inputs.bare == 'false' }}"
          cat $GITHUB_EVENT_PATH; echo
`

test('inputs are typed in the inputs context and text in the payload', async () => {
  const place = await createPlayground()
  const run = await place.run(withInputs, { facts: { ...facts(), event: 'workflow_dispatch' } })
  expect(run.log('job')).toContain('typed [true] true true [false]')
  expect(run.log('job')).toContain('text true true true')
  expect(run.log('job')).toContain('{"inputs":{"deep":"true","count":"3","bare":"false"}}')
})

test('inputs may have names that every object has', async () => {
  const place = await createPlayground()
  const input = 'toString: {default: made}'
  await place.write(
    'act/action.yml',
    `
name: act
inputs: {${input}}
runs: {using: composite, steps: [{shell: bash, run: 'echo action \${{ inputs.toString }}'}]}
`,
  )
  const run = await place.run(
    `
on: {workflow_dispatch: {inputs: {${input}}}}
jobs:
  job:
    runs-on: x
    steps: [{uses: actions/checkout@v6}, {uses: ./act}, {run: 'echo run \${{ inputs.toString }}'}]
`,
  )
  expect(run.log('job')).toMatch(/^action made$[\s\S]*^run made$/m)
})

test('a run on another event has no inputs and rejects given ones', async () => {
  const place = await createPlayground()
  const run = await place.run(withInputs)
  expect(run.log('job')).toContain('typed [] false false []')
  expect(run.log('job')).toMatch(/^\{\}$/m)
  await expect(place.run(withInputs, { inputs: { deep: 'false' } })).rejects.toThrow(
    "inputs are given, but the event is 'push'; only workflow_dispatch and workflow_call take inputs",
  )
})

test('the branches of a pull request come from the payload, and only on its own events', async () => {
  const place = await createPlayground()
  const withBranches = `
on: [pull_request, pull_request_target, issue_comment]
jobs:
  job:
    runs-on: x
    steps:
      - run: echo "[\${{ github.head_ref }}] [\${{ github.base_ref }}] $GITHUB_HEAD_REF \${{ github.event.pull_request.head.ref }}"
`
  const logOf = async (event: string, payload: { [key: string]: Json }): Promise<string> => {
    const run = await place.run(withBranches, { facts: { ...facts(), event, payload } })
    return run.log('job')
  }
  const payload = { pull_request: { head: { ref: 'topic' }, base: { ref: 'main' } } }
  expect(await logOf('pull_request', payload)).toContain('[topic] [main] topic topic')
  expect(await logOf('pull_request_target', payload)).toContain('[topic] [main] topic topic')
  expect(await logOf('issue_comment', payload)).toContain('[] []  topic')
  expect(await logOf('pull_request', { pull_request: { head: [] } })).toContain('[] []')
})

test('a reusable workflow gets inputs like a dispatched one', async () => {
  const place = await createPlayground()
  const called = withInputs.replace('  push:\n  workflow_dispatch:', '  workflow_call:')
  const run = await place.run(called, { inputs: { count: '4' } })
  expect(run.log('job')).toContain('typed [true] true false [false]')
  expect(run.log('job')).toMatch(/^\{\}$/m)
})

test('a reusable workflow evaluates its defaults, gets 0 for a missing number, and requires its required secrets', async () => {
  const place = await createPlayground()
  const called = `
on:
  workflow_call:
    inputs:
      branch: {type: string, default: "on-\${{ github.ref_name }}-\${{ vars.KIND }}"}
      count: {type: number}
    secrets:
      TOKEN: {required: true}
      OTHER:
jobs: {a: {runs-on: x, steps: [{run: 'echo "\${{ inputs.branch }} \${{ inputs.count }}"'}]}}
`
  await expect(place.run(called)).rejects.toThrow(
    "ci.yml:8:7: secret 'TOKEN' is required; pass it with --secret TOKEN",
  )
  const run = await place.run(called, { secrets: { TOKEN: 'sesame' }, vars: { KIND: 'nightly' } })
  expect(run.log('a')).toContain('on-main-nightly 0')
})

test('an event, input or choice that the workflow does not declare is rejected before the run', async () => {
  const place = await createPlayground()
  const workflow = `
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], required: true}
jobs: {a: {runs-on: x, steps: [{run: 'true'}]}}
`
  await expect(place.run(workflow, { facts: { ...facts(), event: 'push' } })).rejects.toThrow(
    "does not run on 'push'",
  )
  await expect(place.run(workflow)).rejects.toThrow(
    "input 'level' is required; pass it with --input level=VALUE",
  )
  await expect(place.run(workflow, { inputs: { level: 'mid', more: '1' } })).rejects.toThrow(
    /unknown input 'more'[\s\S]*input 'level' must be one of low, high, got 'mid'/,
  )
  expect(place.events).toEqual([])
})

test('an input of the wrong type is rejected with the line that declares it', async () => {
  const place = await createPlayground()
  const options = { facts: { ...facts(), event: 'workflow_dispatch' } }
  await expect(
    place.run(withInputs, { ...options, inputs: { deep: 'yes', count: 'many' } }),
  ).rejects.toThrow(
    /ci\.yml:6:7: input 'deep' must be one of true, false, got 'yes'\n.*ci\.yml:7:7: input 'count' must be a number, got 'many'/,
  )
  await expect(place.run(withInputs, { ...options, inputs: { count: '' } })).rejects.toThrow(
    "input 'count' must be a number, got ''",
  )
  expect(place.events).toEqual([])
})
