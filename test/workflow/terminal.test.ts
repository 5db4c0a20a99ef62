import { expect, test } from 'vitest'
import { formatDuration } from '../../src/core/units.ts'
import { createTerminalSink } from '../../src/workflow/terminal.ts'
import { createPlayground, oneJob } from './playground.ts'

const deterministic = (text: string): string =>
  text.replaceAll(/\d+\.\ds|\d+s/g, 'Ns').replaceAll(/\/[^ ]*\/ci\.yml/g, 'ci.yml')

test('a run of one job is drawn without prefixes, grouped, with durations and a summary', async () => {
  const place = await createPlayground()
  let text = ''
  const sink = createTerminalSink({ write: (part) => (text += part), color: false })
  await place.run(
    oneJob(
      '- {name: Build, run: "echo built; echo ::warning file=a.js,line=2,title=Slow::careful"}\n- {run: exit 1, name: Test}\n- {name: Never, run: x}',
    ),
    {
      sinks: [sink],
    },
  )
  expect(deterministic(text)).toBe(`ci.yml on push
▶ job
▸ Build
    echo built; echo ::warning file=a.js,line=2,title=Slow::careful
    shell: bash -e {0}
  built
  Warning: careful
✓ Build  Ns
▸ Test
    exit 1
    shell: bash -e {0}
  Error: Process completed with exit code 1.
✗ Test  Ns
– Never  Ns
✗ job  Ns

✗ job  Ns
warning job: a.js:2: Slow: careful
error job: Process completed with exit code 1.
✗ failure in Ns
`)
})

test('with several jobs each line starts with its job, and colors can be enabled', async () => {
  const place = await createPlayground()
  let text = ''
  const sink = createTerminalSink({ write: (part) => (text += part), color: true })
  await place.run(
    'on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo one}]}\n  b: {runs-on: x, needs: a, steps: [{run: echo two}]}\n',
    { sinks: [sink] },
  )
  expect(text).toContain('\u001b[2ma │\u001b[0m   one\n')
  expect(text).toContain('\u001b[2mb │\u001b[0m   two\n')
  expect(text).toContain('\u001b[32m✓\u001b[0m')
})

test.each([
  [0, '0.0s'],
  [1_234, '1.2s'],
  [12_400, '12s'],
  [65_000, '1m 05s'],
  [3_720_000, '1h 02m'],
])('%d ms is shown as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})
