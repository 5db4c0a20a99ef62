/** Inputs and events of a run: what the caller gives, what the workflow says for itself, and what does not fit. */
import { expect, test } from 'vitest'
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

test('inputs are typed in their context and text in the payload', async () => {
  const place = await createPlayground()
  const run = await place.run(withInputs, { facts: { ...facts(), event: 'workflow_dispatch' } })
  expect(run.log('job')).toContain('typed [true] true true [false]')
  expect(run.log('job')).toContain('text true true true')
  expect(run.log('job')).toContain('{"inputs":{"deep":"true","count":"3","bare":"false"}}')
})

test('a run on another event has no inputs, and refuses those it is given', async () => {
  const place = await createPlayground()
  const run = await place.run(withInputs)
  expect(run.log('job')).toContain('typed [] false false []')
  expect(run.log('job')).toMatch(/^\{\}$/m)
  await expect(place.run(withInputs, { inputs: { deep: 'false' } })).rejects.toThrow(
    "inputs are given, but the run is on 'push'; only workflow_dispatch and workflow_call have inputs",
  )
})

test('a workflow that others call has its inputs, as dispatched ones do', async () => {
  const place = await createPlayground()
  const called = withInputs.replace('  push:\n  workflow_dispatch:', '  workflow_call:')
  const run = await place.run(called, { inputs: { count: '4' } })
  expect(run.log('job')).toContain('typed [true] true false [false]')
  expect(run.log('job')).toMatch(/^\{\}$/m)
})

test('a called workflow computes its defaults, has 0 for an absent number, and needs the secrets that it requires', async () => {
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
  await expect(place.run(called)).rejects.toThrow("ci.yml:8:7: secret 'TOKEN' is required")
  const run = await place.run(called, { secrets: { TOKEN: 'sesame' }, vars: { KIND: 'nightly' } })
  expect(run.log('a')).toContain('on-main-nightly 0')
})

test('an event, an input or a choice that the workflow does not have is refused before the run', async () => {
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
  await expect(place.run(workflow)).rejects.toThrow("input 'level' is required")
  await expect(place.run(workflow, { inputs: { level: 'mid', more: '1' } })).rejects.toThrow(
    /there is no input 'more'[\s\S]*input 'level' is one of low, high, got 'mid'/,
  )
  expect(place.events).toEqual([])
})

test('an input that is not of its type is refused, with the line that declares it', async () => {
  const place = await createPlayground()
  const options = { facts: { ...facts(), event: 'workflow_dispatch' } }
  await expect(
    place.run(withInputs, { ...options, inputs: { deep: 'yes', count: 'many' } }),
  ).rejects.toThrow(
    /ci\.yml:6:7: input 'deep' is one of true, false, got 'yes'\n.*ci\.yml:7:7: input 'count' is a number, got 'many'/,
  )
  await expect(place.run(withInputs, { ...options, inputs: { count: '' } })).rejects.toThrow(
    "input 'count' is a number, got ''",
  )
  expect(place.events).toEqual([])
})
