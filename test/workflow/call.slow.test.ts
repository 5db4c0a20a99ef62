/** Jobs that call other workflows: what goes in, what comes out, and how they end. Expectations
 *  follow GitHub's reference of reusable workflows. */
import { expect, test } from 'vitest'
import type { RunOptions } from '../../src/workflow/run.ts'
import { createPlayground, type Playground } from './playground.ts'

/** Writes `.github/workflows/NAME.yml`. `declared` and `jobs` are YAML in flow or block style. */
async function writeCalled(
  place: Playground,
  name: string,
  { declared = '', jobs }: { declared?: string; jobs: string },
): Promise<void> {
  await place.write(
    `.github/workflows/${name}.yml`,
    `on:\n  workflow_call:\n${declared}\njobs:\n${jobs}\n`,
  )
}

/** A job that runs one command. */
function job(command: string, more = ''): string {
  return `{runs-on: x, ${more}steps: [{run: ${JSON.stringify(command)}}]}`
}

/** Lines that a job has printed. */
function printed(place: Playground, name: string): string[] {
  return place.events.flatMap((event) =>
    event.type === 'line' && event.kind === 'output' && event.job.name === name ? [event.text] : [],
  )
}

function annotations(place: Playground): string[] {
  return place.events.flatMap((event) =>
    event.type === 'annotation' ? [event.annotation.message] : [],
  )
}

test('a called workflow gets typed inputs, defaults and the github context of its caller, but not its env', async () => {
  const place = await createPlayground()
  await writeCalled(place, 'called', {
    declared: `    inputs:
      Text: {type: string}
      deep: {type: boolean, required: true}
      count: {type: number, default: 3}
      none: {type: boolean}
      from: {type: string, default: 'on \${{ github.ref_name }}'}`,
    jobs: `  show:
    runs-on: x
    steps:
      - run: echo "\${{ toJSON(inputs.deep) }} \${{ inputs.count == 3 }} \${{ toJSON(inputs.none) }} \${{ inputs.text }} \${{ inputs.from }}"
      - run: echo "[\${{ env.OUTER }}] [$OUTER] $GITHUB_WORKFLOW $GITHUB_JOB $GITHUB_EVENT_NAME"
      - run: echo "\${{ job.workflow_ref }} $GITHUB_WORKFLOW_REF \${{ job.workflow_sha == github.sha }}"`,
  })
  const run = await place.run(`on: push
name: outer
env: {OUTER: outer}
jobs:
  first: {runs-on: x, outputs: {text: from-needs}, steps: [{run: 'true'}]}
  call:
    needs: first
    uses: ./.github/workflows/called.yml
    with: {deep: true, text: '\${{ needs.first.outputs.text }}'}
`)
  expect(run.conclusions).toEqual({ first: 'success', 'call / show': 'success' })
  expect(printed(place, 'call / show')).toEqual([
    'true true false from-needs on main',
    '[] [] outer show push',
    'octo/demo/.github/workflows/called.yml@refs/heads/main octo/demo/.github/workflows/ci.yml@refs/heads/main true',
  ])
})

test.each([
  ['boolean', "format('true')", 'must be a boolean, got "true"'],
  ['boolean', 'inputs.absent', 'must be a boolean, got null'],
  ['number', "format('3')", 'must be a number, got "3"'],
  ['string', 'github', 'must be a string, got an object or array'],
])('an input of type %s given as %s fails the calling job', async (type, value, message) => {
  const place = await createPlayground()
  await writeCalled(place, 'called', {
    declared: `    inputs: {value: {type: ${type}}}`,
    jobs: `  a: ${job('true')}`,
  })
  const run = await place.run(`on: push
jobs:
  call:
    uses: ./.github/workflows/called.yml
    with:
      value: \${{ ${value} }}
`)
  expect(run.conclusions).toEqual({ call: 'failure' })
  expect(annotations(place)).toEqual([
    expect.stringContaining(`ci.yml:6:14: input 'value' ${message}`),
  ])
})

test('outputs of jobs become outputs of the call, through several levels', async () => {
  const place = await createPlayground()
  await writeCalled(place, 'inner', {
    declared: `    inputs: {word: {type: string}}
    outputs:
      made: {value: '\${{ jobs.make.outputs.made }}'}
      result: {value: '\${{ jobs.make.result }} \${{ jobs.skipped.result }}'}
      absent: {value: '\${{ jobs.skipped.outputs.made }}'}`,
    jobs: `  make:
    runs-on: x
    outputs: {made: '\${{ steps.s.outputs.made }}'}
    steps: [{id: s, run: 'echo made=\${{ inputs.word }}! >> $GITHUB_OUTPUT'}]
  skipped: ${job('true', 'if: false, ')}`,
  })
  await writeCalled(place, 'outer', {
    declared: `    inputs: {word: {type: string}}
    outputs: {made: {value: '\${{ jobs.call.outputs.made }}'}, all: {value: '\${{ toJSON(jobs.call) }}'}}`,
    jobs: `  call:
    uses: ./.github/workflows/inner.yml
    with: {word: 'very \${{ inputs.word }}'}`,
  })
  const run = await place.run(`on: push
jobs:
  start:
    uses: ./.github/workflows/outer.yml
    with: {word: good}
  end:
    needs: start
    runs-on: x
    steps:
      - run: echo "\${{ needs.start.result }} \${{ needs.start.outputs.made }}"
      - run: echo '\${{ needs.start.outputs.all }}'
`)
  expect(run.conclusions).toEqual({
    'start / call / make': 'success',
    'start / call / skipped': 'skipped',
    end: 'success',
  })
  const [first, ...rest] = printed(place, 'end')
  expect(first).toBe('success very good!')
  expect(JSON.parse(rest.join('\n'))).toEqual({
    result: 'success',
    outputs: { made: 'very good!', result: 'success skipped', absent: '' },
  })
})

/** Runs a call with `jobs`, and returns `needs.call.result`, which a last job prints. */
async function resultOf(
  jobs: string,
  callKeys = '',
  options?: Partial<RunOptions>,
): Promise<string> {
  const place = await createPlayground()
  await writeCalled(place, 'called', { jobs })
  await place.run(
    `on: push
jobs:
  bad: ${job('exit 1')}
  call:
    uses: ./.github/workflows/called.yml
    ${callKeys}
  end: {runs-on: x, needs: call, if: always(), steps: [{run: 'echo \${{ needs.call.result }}'}]}
`,
    options,
  )
  return printed(place, 'end').join()
}

test.each([
  ['all succeed', `  a: ${job('true')}`, '', 'success'],
  ['one fails', `  a: ${job('exit 1')}\n  b: ${job('true')}`, '', 'failure'],
  ['a failure is tolerated', `  a: ${job('exit 1', 'continue-on-error: true, ')}`, '', 'success'],
  ['some are skipped', `  a: ${job('true', 'if: false, ')}\n  b: ${job('true')}`, '', 'success'],
  ['all are skipped', `  a: ${job('true', 'if: false, ')}`, '', 'skipped'],
  ['the call is skipped', `  a: ${job('true')}`, 'if: false', 'skipped'],
  ['what the call needs fails', `  a: ${job('true')}`, 'needs: bad', 'skipped'],
  // Status functions consider the jobs of their own workflow only.
  [
    'the call runs after a failure',
    `  a: ${job('true')}`,
    'needs: bad\n    if: failure()',
    'success',
  ],
  [
    'a job runs after a failure inside',
    `  a: ${job('exit 1')}\n  b: ${job('exit 0', 'needs: a, if: failure(), ')}`,
    '',
    'failure',
  ],
])('the result of a call when %s', async (_, jobs, callKeys, expected) => {
  expect(await resultOf(jobs, callKeys)).toBe(expected)
})

test('a matrix of calls shows its values, shares no keys, and keeps the output of the last success', async () => {
  const place = await createPlayground()
  await writeCalled(place, 'called', {
    declared: `    inputs: {n: {type: number}}
    outputs: {last: {value: '\${{ jobs.b.outputs.last }}'}}`,
    jobs: `  b:
    runs-on: x
    strategy: {fail-fast: false, matrix: {os: [l, w]}}
    outputs: {last: '\${{ inputs.n }}'}
    steps: [{run: 'test \${{ inputs.n }} != 3'}]`,
  })
  const run = await place.run(
    `on: push
jobs:
  call:
    strategy: {fail-fast: false, max-parallel: 1, matrix: {n: [1, 2, 3]}}
    uses: ./.github/workflows/called.yml
    with: {n: '\${{ matrix.n }}'}
  other:
    name: Other \${{ github.ref_name }}
    uses: ./.github/workflows/called.yml
    with: {n: 0}
  end: {runs-on: x, needs: call, if: always(), steps: [{run: 'echo \${{ needs.call.outputs.last }}'}]}
`,
    { jobsMax: 4 },
  )
  expect(
    run.jobs.map(({ reference: { key, name }, conclusion }) => [key, name, conclusion]),
  ).toEqual([
    ['call-1.b-1', 'call (1) / b (l)', 'success'],
    ['call-1.b-2', 'call (1) / b (w)', 'success'],
    ['call-2.b-1', 'call (2) / b (l)', 'success'],
    ['call-2.b-2', 'call (2) / b (w)', 'success'],
    ['call-3.b-1', 'call (3) / b (l)', 'failure'],
    ['call-3.b-2', 'call (3) / b (w)', 'failure'],
    ['other.b-1', 'Other main / b (l)', 'success'],
    ['other.b-2', 'Other main / b (w)', 'success'],
    ['end', 'end', 'success'],
  ])
  expect(printed(place, 'end')).toEqual(['2'])
})

test('a failing call cancels the others of its matrix', async () => {
  const place = await createPlayground()
  const flag = `${place.root}/started`
  await writeCalled(place, 'called', {
    declared: '    inputs: {fails: {type: boolean}}',
    jobs: `  a:
    runs-on: x
    steps:
      - {if: inputs.fails, run: 'until test -e ${flag}; do sleep 0.05; done; exit 1'}
      - run: touch ${flag}; sleep 30
  b: ${job('true', 'needs: a, ')}
  c: ${job('true', 'needs: a, if: always(), ')}`,
  })
  const run = await place.run(
    `on: push
jobs:
  call:
    strategy: {matrix: {fails: [true, false]}}
    uses: ./.github/workflows/called.yml
    with: {fails: '\${{ matrix.fails }}'}
  end: {runs-on: x, needs: call, if: always(), steps: [{run: 'echo \${{ needs.call.result }}'}]}
`,
    { jobsMax: 4 },
  )
  expect(run.conclusions).toEqual({
    'call (true) / a': 'failure',
    'call (true) / b': 'skipped',
    'call (true) / c': 'success',
    'call (false) / a': 'cancelled',
    'call (false) / b': 'cancelled',
    'call (false) / c': 'success',
    end: 'success',
  })
  expect(printed(place, 'end')).toEqual(['failure'])
})

test('called jobs count against the limit of the run, and calls wait for no slot', async () => {
  const place = await createPlayground()
  await writeCalled(place, 'called', {
    jobs: `  a: ${job('true')}\n  b: ${job('true', 'needs: a, ')}`,
  })
  const run = await place.run(
    `on: push
jobs:
  call:
    strategy: {max-parallel: 1, matrix: {n: [1, 2, 3]}}
    uses: ./.github/workflows/called.yml
`,
    { jobsMax: 1 },
  )
  expect(run.conclusion).toBe('success')
  let running = 0
  for (const event of place.events) {
    if (event.type === 'job-started') running += 1
    if (event.type === 'job-finished') running -= 1
    expect(running).toBeLessThanOrEqual(1)
  }
  const order = place.events.flatMap((event) =>
    event.type === 'job-started' ? [event.job.key] : [],
  )
  expect(order).toEqual(['call-1.a', 'call-1.b', 'call-2.a', 'call-2.b', 'call-3.a', 'call-3.b'])
})

test.each(['', ', if: always()'])(
  'a cancelled run cancels called jobs, and those with always() still run (call: {uses%s})',
  async (condition) => {
    const place = await createPlayground()
    await writeCalled(place, 'called', {
      jobs: `  a: ${job('sleep 30')}\n  b: ${job('true', 'needs: a, ')}\n  c: ${job('echo after', 'needs: a, if: always(), ')}`,
    })
    const controller = new AbortController()
    const run = await place.run(
      `on: push\njobs:\n  call: {uses: ./.github/workflows/called.yml${condition}}\n  next: ${job('true', 'needs: call, ')}\n`,
      {
        signal: controller.signal,
        sinks: [
          (event) =>
            void (event.type === 'step-started' && event.job.id === 'a' && controller.abort()),
        ],
      },
    )
    expect(run.conclusion).toBe('cancelled')
    expect(run.conclusions).toEqual({
      'call / a': 'cancelled',
      'call / b': 'cancelled',
      'call / c': 'success',
      next: 'cancelled',
    })
  },
)

test.each([
  ['', 'concurrency: Deploy, ', '', 'concurrency: deploy', 'call', 'call / a'],
  ['', '', 'concurrency: deploy', 'concurrency: deploy', 'call', 'call'],
  ['concurrency: deploy', '', '', 'concurrency: deploy', 'top level workflow', 'call'],
  // Both workflows see the name of the caller.
  [
    'concurrency: {group: "${{ github.workflow }}"}',
    '',
    'concurrency: {group: "${{ github.workflow }}"}',
    '',
    'top level workflow',
    'call',
  ],
  ['concurrency: deploy', 'concurrency: deploy, ', '', '', 'top level workflow', 'call / a'],
])(
  'who waits for a concurrency group that its callers hold is cancelled (%#)',
  async (ofRun, ofJob, ofCalled, ofCall, holder, waiting) => {
    const place = await createPlayground()
    await place.write(
      '.github/workflows/called.yml',
      `on: workflow_call\n${ofCalled}\njobs:\n  a: ${job('true', ofJob)}\n`,
    )
    const run = await place.run(
      `on: push\nname: Deploy\n${ofRun}\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n    ${ofCall}\n`,
    )
    expect(run.conclusions).toEqual({ [waiting]: 'cancelled' })
    expect(annotations(place)).toEqual([
      `Canceling since a deadlock for concurrency group 'deploy' was detected between '${holder}' and '${waiting}'`,
    ])
  },
)

test('two calls that wait for the groups of each other are a deadlock, which cancels one job', async () => {
  const place = await createPlayground()
  const declared = '    inputs: {group: {type: string}}'
  await writeCalled(place, 'called', {
    declared,
    jobs: `  first: ${job('sleep 0.2')}\n  last: ${job('true', "needs: first, concurrency: '${{ inputs.group }}', ")}`,
  })
  const run = await place.run(
    `on: push
jobs:
  a: {uses: ./.github/workflows/called.yml, concurrency: a, with: {group: b}}
  b: {uses: ./.github/workflows/called.yml, concurrency: b, with: {group: a}}
`,
    { jobsMax: 4 },
  )
  const ends = new Set([run.conclusions['a / last'], run.conclusions['b / last']])
  expect(ends).toEqual(new Set(['cancelled', 'success']))
})

test.each([
  ['of the calls', 'concurrency: same', ''],
  ['of the called workflow', '', 'concurrency: {group: "${{ inputs.group }}"}'],
])('calls run one after another in the concurrency group %s', async (_, ofCall, ofCalled) => {
  const place = await createPlayground()
  await place.write(
    '.github/workflows/called.yml',
    `on: {workflow_call: {inputs: {group: {type: string, default: same}}}}\n${ofCalled}\njobs:\n  a: ${job('sleep 0.1')}\n  b: ${job('sleep 0.1')}\n`,
  )
  const call = `uses: ./.github/workflows/called.yml\n    ${ofCall}\n`
  await place.run(`on: push\njobs:\n  one:\n    ${call}  two:\n    ${call}`, { jobsMax: 4 })
  const callers = place.events.flatMap((event) =>
    event.type === 'job-started' || event.type === 'job-finished'
      ? [event.job.key.slice(0, 3)]
      : [],
  )
  expect(callers.join(' ')).toMatch(/^(?:(?:one ){4}(?:two ?){4}|(?:two ){4}(?:one ?){4})$/)
})

test('a called workflow has the secrets passed to it, which are masked, and its own defaults', async () => {
  const place = await createPlayground()
  const show = `{runs-on: x, steps: [{run: 'echo "[\${{ secrets.A }}] [\${{ secrets.B }}] \${{ secrets.A != null }} \${{ secrets.B != null }}"'}]}`
  await writeCalled(place, 'inner', { declared: '    secrets: {A: }', jobs: `  show: ${show}` })
  await writeCalled(place, 'outer', {
    declared: '    secrets: {A: {required: true}, B: }',
    jobs: `  show: ${show}
  named: {uses: ./.github/workflows/inner.yml, secrets: {A: '\${{ secrets.A }}-\${{ secrets.B }}'}}
  all: {uses: ./.github/workflows/inner.yml, secrets: inherit}
  none: {uses: ./.github/workflows/inner.yml}`,
  })
  const run = await place.run(
    `on: push
jobs:
  call: {uses: ./.github/workflows/outer.yml, secrets: {A: '\${{ format(''x{0}'', secrets.A) }}'}}
  all: {uses: ./.github/workflows/outer.yml, secrets: inherit}
`,
    { secrets: { A: 'first-secret', B: 'second-secret' } },
  )
  expect(run.conclusion).toBe('success')
  expect(printed(place, 'call / show')).toEqual(['[***] [] true false'])
  expect(printed(place, 'call / named / show')).toEqual(['[***] [] true false'])
  expect(printed(place, 'call / none / show')).toEqual(['[] [] false false'])
  expect(printed(place, 'all / show')).toEqual(['[***] [***] true true'])
  expect(printed(place, 'all / all / show')).toEqual(['[***] [***] true true'])
  expect(JSON.stringify(place.events)).not.toMatch(/first-secret|second-secret/)
})

test('a call can pass on its token, and every called job has one of its own', async () => {
  const place = await createPlayground()
  await writeCalled(place, 'called', {
    declared: '    secrets: {given: }',
    jobs: `  a: ${job('test "${{ secrets.given }}" = token-of-call && test "${{ secrets.GITHUB_TOKEN }} ${{ github.token }}" = "token-of-call.a token-of-call.a"')}`,
  })
  const run = await place.run(
    `on: push
jobs:
  call: {uses: ./.github/workflows/called.yml, secrets: {given: '\${{ secrets.GITHUB_TOKEN }}'}}
`,
    {
      service: {
        url: 'http://127.0.0.1:1',
        runtimeToken: ({ key }) => Promise.resolve(`token-of-${key}`),
      },
    },
  )
  expect(run.conclusions).toEqual({ 'call / a': 'success' })
})
