import { expect, test } from 'vitest'
import { createPlayground, facts, oneJob } from './playground.ts'

test('a job runs its steps in order in one workspace and passes outputs on', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
env:
  LEVEL: workflow
jobs:
  first:
    runs-on: ubuntu-latest
    outputs:
      word: \${{ steps.say.outputs.word }}
      empty: \${{ steps.say.outputs.absent }}
    steps:
      - run: echo hello > note
      - id: say
        run: echo "word=$(cat note) $LEVEL" >> "$GITHUB_OUTPUT"
  second:
    needs: first
    runs-on: ubuntu-latest
    env:
      LEVEL: job
    steps:
      - name: Say \${{ needs.first.outputs.word }}
        run: |
          test ! -e note
          echo "got \${{ needs.first.outputs.word }} and $LEVEL"
`)
  expect(run.conclusions).toEqual({ first: 'success', second: 'success' })
  expect(run.outputs('first')).toEqual({ word: 'hello workflow' })
  expect(run.log('second')).toContain('got hello workflow and job')
  expect(run.steps('second')).toEqual({ 'Say hello workflow': 'success' })
})

test('a failure skips the following steps, except those with always() and failure()', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- {name: break, id: break, run: 'echo before; exit 3; echo after'}
- {name: normal, run: echo no}
- {name: always, if: always(), run: 'echo outcome is \${{ steps.break.outcome }}, job is \${{ job.status }}'}
- {name: failed, if: failure() && github.ref == 'refs/heads/main', run: echo sorry}
- {name: succeeded, if: success(), run: echo no}
`),
  )
  expect(run.conclusion).toBe('failure')
  expect(run.steps('job')).toEqual({
    break: 'failure',
    normal: 'skipped',
    always: 'success',
    failed: 'success',
    succeeded: 'skipped',
  })
  expect(run.log('job')).toContain('Process completed with exit code 3.')
  expect(run.log('job')).toContain('outcome is failure, job is failure')
  expect(run.log('job')).not.toMatch(/^after$/m)
})

test('continue-on-error makes a failing step count as a success', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- {id: shaky, name: shaky, run: exit 1, continue-on-error: true}
- {name: next, run: 'echo "\${{ steps.shaky.outcome }} but \${{ steps.shaky.conclusion }}"'}
`),
  )
  expect(run.conclusion).toBe('success')
  expect(run.steps('job')).toEqual({ shaky: 'success', next: 'success' })
  expect(run.log('job')).toContain('failure but success')
})

test.each(["env: {OBJECT: '${{ github.event }}'}", "if: 'fromJSON(github)'"])(
  'continue-on-error does not cover an error in %s',
  async (keys) => {
    const place = await createPlayground()
    const step = `{id: bad, name: bad, run: 'true', ${keys}, continue-on-error: true}`
    const run = await place.run(oneJob(`- ${step}\n- {name: next, run: 'true'}`))
    expect(run.conclusion).toBe('failure')
    expect(run.steps('job')).toEqual({ bad: 'failure', next: 'skipped' })
  },
)

test('status functions consider all earlier jobs, and a tolerated failure counts as success', async () => {
  const place = await createPlayground()
  const job = (id: string, keys: string, script = 'true'): string =>
    `  ${id}:\n    runs-on: x\n${keys
      .split('\n')
      .filter((key) => key !== '')
      .map((key) => `    ${key}\n`)
      .join('')}    steps: [{run: '${script}'}]\n`
  const run = await place.run(
    `on: push\njobs:\n${job('bad', '', 'exit 1')}${job('after', 'needs: bad')}${job('further', 'needs: after\nif: always()')}` +
      job('last', 'needs: further') +
      job('rescue', 'needs: bad\nif: failure()', 'echo ${{ needs.bad.result }}') +
      job('shaky', 'continue-on-error: true', 'exit 1') +
      job('next', 'needs: shaky', 'echo ${{ needs.shaky.result }}'),
  )
  expect(run.conclusions).toEqual({
    bad: 'failure',
    after: 'skipped',
    further: 'success',
    // GitHub's rule: a skipped ancestor skips this job, although the job in between ran.
    last: 'skipped',
    rescue: 'success',
    shaky: 'failure',
    next: 'success',
  })
  expect(run.log('rescue')).toContain('failure')
  expect(run.log('next')).toMatch(/^success$/m)
})

test('only the requested jobs and what they need run', async () => {
  const place = await createPlayground()
  const workflow = `
on: push
jobs:
  a: {runs-on: x, steps: [{run: 'true'}]}
  b: {runs-on: x, needs: a, steps: [{run: 'true'}]}
  c: {runs-on: x, steps: [{run: 'true'}]}
`
  const run = await place.run(workflow, { jobs: ['b'] })
  expect(Object.keys(run.conclusions)).toEqual(['a', 'b'])
  await expect(place.run(workflow, { jobs: ['z'] })).rejects.toThrow(
    "no job 'z' in this workflow; its jobs are a, b, c",
  )
})

test('environment: the innermost scope wins, GITHUB_ENV reaches later steps, and runner variables cannot be overridden', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(
      `
- run: |
    echo "$A $B $C $D"
    echo "C=from-file" >> $GITHUB_ENV
    printf 'M<<E\\nline 1\\nline 2\\nE\\n' >> $GITHUB_ENV
    mkdir bin && printf '#!/bin/sh\\necho tool ran\\n' > bin/tool && chmod +x bin/tool
    echo "$PWD/bin" >> $GITHUB_PATH
    echo "NODE_OPTIONS=--inspect" >> $GITHUB_ENV
  env: {B: step, D: step}
- run: |
    echo "then $A $B $C \${D-unset} \${{ env.C }}"
    echo "$M" | wc -l
    tool
    echo "event $GITHUB_EVENT_NAME repo $GITHUB_REPOSITORY run $GITHUB_RUN_ID $CI options \${NODE_OPTIONS-none}"
    test "$GITHUB_WORKSPACE" = "$PWD" && test "$RUNNER_WORKSPACE" = "$(dirname "$PWD")" &&
    test \${{ runner.workspace }} = "$RUNNER_WORKSPACE" && test -d "$RUNNER_TEMP" && test -f "$GITHUB_EVENT_PATH"
  env: {GITHUB_REPOSITORY: forged}
`,
      'env: {A: job, B: job, C: job}',
    ),
  )
  expect(run.conclusion).toBe('success')
  const log = run.log('job')
  expect(log).toContain('job step job step')
  expect(log).toContain('then job job from-file unset from-file')
  expect(log).toMatch(/^2$/m)
  expect(log).toContain('tool ran')
  expect(log).toContain('event push repo octo/demo run 77 true options none')
  expect(log).toContain("Can't store NODE_OPTIONS")
})

test('shells and directories: defaults of workflow and job apply, named bash fails on a failed pipe, and sh, python and custom shells run', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
defaults:
  run: {working-directory: sub}
jobs:
  job:
    runs-on: x
    steps:
      - {run: mkdir -p sub/deeper, working-directory: .}
      - {name: default, run: 'basename "$PWD"; false | true; echo survives the pipe'}
      - {name: named, shell: bash, run: 'false | true; echo never', continue-on-error: true}
      - {name: sh, shell: sh, run: 'echo "sh in $(basename "$PWD")"', working-directory: sub/deeper}
      - {name: python, shell: python, run: "import os\\nprint('python in', os.path.basename(os.getcwd()))"}
      - {name: custom, shell: 'cat -n {0}', run: shown}
      - {name: missing, shell: 'no-such-shell {0}', run: x, continue-on-error: true}
  other:
    runs-on: x
    defaults:
      run: {shell: 'sh -e {0}', working-directory: /}
    steps: [{run: 'pwd; echo $0'}]
`)
  expect(run.conclusion).toBe('success')
  const log = run.log('job')
  expect(log).toMatch(/^sub$/m)
  expect(log).toMatch(/^survives the pipe$/m)
  expect(log).not.toMatch(/^never$/m)
  expect(log).toContain('sh in deeper')
  expect(log).toContain('python in sub')
  expect(log).toMatch(/^\s*1\s+shown$/m)
  expect(log).toContain('shell "no-such-shell" is not installed on this machine')
  expect(run.log('other')).toMatch(/^\/$/m)
})

test('an invalid working directory or expression fails its step and reports the position', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- {run: 'true', working-directory: nowhere, continue-on-error: true}
- {run: "echo \${{ fromJSON('{') }}", continue-on-error: true}
- {run: 'true', env: {OBJECT: '\${{ github.event }}'}}
- {run: 'true', if: "fromJSON('[') || always()"}
`),
  )
  expect(run.conclusion).toBe('failure')
  expect(run.log('job')).toMatch(
    /working directory '.*\/nowhere' does not exist or is not a directory/,
  )
  expect(run.log('job')).toMatch(/ci\.yml:8:\d+: expected text, got an object/)
  expect(run.log('job')).toMatch(/ci\.yml:7:\d+: .*fromJSON/)
  expect(run.log('job')).toMatch(/ci\.yml:9:\d+: .*fromJSON\('\['\)/)
})

test('a script with expressions is exactly the YAML value, whatever its style, quotes and length', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- run: |
    cat <<'EOF'
      indented '\${{ github.ref_name }}' and ''two'' {braces} \${{ 'it''s }} Bob''s' }}
    EOF
- run: >
    echo folded
    \${{ github.ref_name }}
- run: "echo \\"quoted\\" \\
    \${{ github.ref_name }} \\x41"
- run: |
    true \${{ github.ref_name }}${Array.from({ length: 300 }, (_, n) => `\n    echo \${{ '${n}' }} ${'x'.repeat(100)} > last`).join('')}
    cat last
`),
  )
  const log = run.log('job')
  expect(run.conclusion).toBe('success')
  expect(log).toContain("\n  indented 'main' and ''two'' {braces} it's }} Bob's\n")
  expect(log).toMatch(/^folded main$/m)
  expect(log).toMatch(/^quoted main A$/m)
  expect(log).toMatch(/^299 x+$/m)
})

test('contexts describe runner, job, strategy and inputs', async () => {
  const place = await createPlayground()
  const run = await place.run(
    `
on:
  push:
  workflow_dispatch:
    inputs:
      deep: {type: boolean, default: true}
      level: {type: choice, options: [low, high], default: low}
      count: {type: number, default: 3}
jobs:
  job:
    runs-on: x
    steps:
      - run: |
          echo "os=\${{ runner.os }} temp=\${{ runner.temp == env.T }} \${{ strategy.job-total }} \${{ vars.COLOR }}"
          echo "deep=\${{ inputs.deep && 'yes' || 'no' }} level=\${{ inputs.level }} sum=\${{ inputs.count == 3 }} \${{ github.event.inputs.level }}"
          echo "name=\${{ github.ref_name }} owner=\${{ github.repository_owner }} $GITHUB_REPOSITORY \${{ github.workflow }}"
        env: {T: '\${{ runner.temp }}'}
`,
    {
      facts: { ...facts(), repository: 'acme/platform/demo', event: 'workflow_dispatch' },
      inputs: { level: 'high' },
      vars: { COLOR: 'red' },
    },
  )
  expect(run.conclusion).toBe('success')
  const log = run.log('job')
  expect(log).toMatch(/os=(?:Linux|macOS) temp=true 1 red/)
  expect(log).toContain('deep=yes level=high sum=true high')
  expect(log).toMatch(/name=main owner=acme\/platform acme\/platform\/demo .*ci\.yml/)
})

test('commands in the log become annotations, groups, outputs and masks', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- id: talk
  run: |
    echo "::group::Details"
    echo "inside"
    echo "::endgroup::"
    echo "::error file=src/a.js,line=3,col=7,title=Oh::broken%0Aindeed"
    echo "::warning::careful"
    echo "::notice::by the way"
    echo "::debug::hidden"
    echo "::set-output name=old::style"
    echo "::stop-commands::pause-1234"
    echo "::warning::not a command now"
    echo "::pause-1234::"
    echo "::add-mask::runtime-secret"
    echo "this is runtime-secret"
    echo '### Title' >> $GITHUB_STEP_SUMMARY
- run: echo "\${{ steps.talk.outputs.old }}"
- run: echo "::set-env name=X::y"
  continue-on-error: true
`),
  )
  expect(run.conclusion).toBe('success')
  const annotations = place.events.flatMap((event) =>
    event.type === 'annotation' ? [event.annotation] : [],
  )
  expect(annotations.slice(0, 3)).toEqual([
    {
      level: 'error',
      message: 'broken\nindeed',
      title: 'Oh',
      file: 'src/a.js',
      line: 3,
      column: 7,
    },
    { level: 'warning', message: 'careful' },
    { level: 'notice', message: 'by the way' },
  ])
  expect(annotations[3]?.message).toContain("The 'set-env' command is disabled")
  const titles = place.events.flatMap((event) =>
    event.type === 'group-started' ? [event.title] : [],
  )
  expect(titles).toContain('Details')
  const log = run.log('job')
  expect(log).toContain('::warning::not a command now')
  expect(log).toContain('this is ***')
  expect(log).toMatch(/^style$/m)
  expect(log).not.toMatch(/^hidden$/m)
  expect(place.events).toContainEqual(
    expect.objectContaining({ type: 'summary', markdown: '### Title\n' }),
  )
  const opened = place.events.filter((event) => event.type === 'group-started').length
  expect(place.events.filter((event) => event.type === 'group-finished')).toHaveLength(opened)
})

test('a summary that is too large is reported and dropped, and fails nothing', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob(`
- run: |
    echo given=yes >> $GITHUB_OUTPUT
    head -c 1048577 /dev/zero | tr '\\0' x > $GITHUB_STEP_SUMMARY
- run: head -c 1048576 /dev/zero | tr '\\0' y > $GITHUB_STEP_SUMMARY
`),
  )
  expect(run.conclusion).toBe('success')
  expect(run.log('job')).toContain('the file has 1048577 bytes, the limit is 1048576')
  const summaries = place.events.flatMap((event) =>
    event.type === 'summary' ? [event.markdown.slice(0, 1)] : [],
  )
  expect(summaries).toEqual(['y'])
})

test('events come in pairs and in order, and job directories are removed at the end', async () => {
  const place = await createPlayground()
  const { readdir } = await import('node:fs/promises')
  await place.run(oneJob('- {name: one, run: echo hi}\n- {name: two, if: false, run: echo no}'))
  expect(
    place.events
      .map((event) => event.type)
      .filter((type) => type !== 'line' && !type.startsWith('group')),
  ).toEqual([
    'run-started',
    'job-started',
    'step-started',
    'step-finished',
    'step-finished',
    'job-finished',
    'run-finished',
  ])
  await expect(readdir(place.work)).rejects.toThrow('ENOENT')
})

test('a background process does not hold up its step and is killed at the end of its job', async () => {
  const place = await createPlayground()
  const { readFile } = await import('node:fs/promises')
  const pidFile = `${place.root}/pid`
  const startedAt = Date.now()
  const run = await place.run(
    oneJob(`
- run: |
    (setsid sleep 60 & echo $! > ${pidFile})
    echo started
- run: kill -0 $(cat ${pidFile}) && echo still there
`),
  )
  expect(run.conclusion).toBe('success')
  expect(run.log('job')).toContain('still there')
  expect(Date.now() - startedAt).toBeLessThan(20_000)
  const pid = Number(await readFile(pidFile, 'utf8'))
  // Killed; it may remain a zombie until its parent reaps it.
  await expect
    .poll(() => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone'))
    .toMatch(/^gone$|\) Z /)
})

test('a job that cannot get its token fails alone and reports why', async () => {
  const place = await createPlayground()
  const run = await place.run(
    "on: push\njobs:\n  a: {runs-on: x, steps: [{run: 'true'}]}\n  b: {runs-on: x, steps: [{run: 'true'}]}\n",
    {
      service: {
        url: 'http://127.0.0.1:9',
        runtimeToken: ({ id }) =>
          id === 'a' ? Promise.reject(new Error('no token today')) : Promise.resolve('t0ken'),
      },
    },
  )
  expect(run.conclusions).toEqual({ a: 'failure', b: 'success' })
  expect(place.events).toContainEqual(
    expect.objectContaining({
      type: 'annotation',
      annotation: { level: 'error', message: 'no token today' },
    }),
  )
})

test('a sink that throws ends the run with its error and stops running processes', async () => {
  const place = await createPlayground()
  const startedAt = Date.now()
  const broken = place.run(oneJob('- run: echo ready; sleep 60'), {
    sinks: [
      (event) => {
        if (event.type === 'line' && event.text === 'ready') throw new Error('the record is full')
      },
    ],
  })
  await expect(broken).rejects.toThrow('the record is full')
  expect(Date.now() - startedAt).toBeLessThan(20_000)
})

test('a job for another operating system runs here, with a warning', async () => {
  const place = await createPlayground()
  const run = await place.run(
    "on: push\njobs:\n  a: {runs-on: [self-hosted, windows-2022], steps: [{run: 'true'}]}\n",
  )
  expect(run.conclusion).toBe('success')
  const [told] = place.events.flatMap((event) =>
    event.type === 'annotation' ? [event.annotation] : [],
  )
  expect(told).toMatchObject({
    level: 'warning',
    message: expect.stringContaining('runs-on asks for windows'),
  })
})

test('annotations name files of the workspace relative to it, and only places that exist', async () => {
  const place = await createPlayground()
  const at = (properties: string): string => `echo "::error ${properties}::x"`
  await place.run(
    oneJob(`
- run: |
    ${at('file=$PWD/src/a.js,line=3,endLine=5,col=2')}
    ${at('file=/elsewhere/a.js,endLine=4,endColumn=9')}
    ${at('file=a.js,line=5,endLine=4,col=1')}
    ${at('file=a.js,line=5,col=7,endColumn=3')}
    ${at('file=a.js,col=7')}
`),
  )
  const annotations = place.events.flatMap((event) =>
    event.type === 'annotation'
      ? [{ ...event.annotation, level: undefined, message: undefined }]
      : [],
  )
  expect(annotations).toEqual([
    { file: 'src/a.js', line: 3, endLine: 5 },
    { file: '/elsewhere/a.js', line: 4, endLine: 4, column: 9, endColumn: 9 },
    { file: 'a.js' },
    { file: 'a.js', line: 5 },
    { file: 'a.js' },
  ])
})

test('empty defaults of a job are those of the workflow', async () => {
  const place = await createPlayground()
  const run = await place.run(`
on: push
defaults: {run: {shell: bash, working-directory: /}}
jobs:
  job:
    runs-on: x
    defaults: {run: {shell: '\${{ vars.none }}', working-directory: '\${{ vars.none }}'}}
    steps: [{run: 'set -o | grep pipefail; pwd'}]
`)
  expect(run.log('job')).toMatch(/^pipefail\s+on\n\/$/m)
})
