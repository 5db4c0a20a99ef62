import { execFile } from 'node:child_process'
import { chmod, lstat, mkdir, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createPlayground, facts, oneJob, type Playground } from './playground.ts'

const runFile = promisify(execFile)

const scribe = `
const fs = require('fs')
const stage = require('path').basename(__filename, '.js')
console.log([stage, process.env['INPUT_WORD'], process.env['INPUT_A-B C'.replace(' ', '_')], process.env.STATE_seen ?? '-'].join(' '))
console.log('results ' + process.env.ACTIONS_RESULTS_URL + ' token ' + (process.env.ACTIONS_RUNTIME_TOKEN === 'token-of-job'))
fs.appendFileSync(process.env.GITHUB_STATE, 'seen=' + stage + '\\n')
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'from-' + stage + '=yes\\n')
if (stage === process.env['INPUT_FAIL']) process.exit(3)
`

/** Writes a JavaScript action with pre, main and post scripts to \`directory\`. */
async function writeScribe(place: Playground, directory: string, extra = ''): Promise<string> {
  for (const stage of ['pre', 'main', 'post']) await place.write(`${directory}/${stage}.js`, scribe)
  await place.write(
    `${directory}/action.yml`,
    `
name: Scribe
description: Tells what it got
inputs:
  word: {description: d, default: 'default \${{ github.ref_name }}'}
  a-b c: {description: d, required: false}
  fail: {description: d, deprecationMessage: do not}
outputs:
  from-main: {description: d}
runs:
  using: node20
  pre: pre.js
  main: main.js
  post: post.js
${extra}`,
  )
  return join(place.repository, directory)
}

const service = { url: 'http://127.0.0.1:9', runtimeToken: () => Promise.resolve('token-of-job') }

test('a mapped JavaScript action runs pre first and post last, with inputs, state, outputs and the artifact service', async () => {
  const place = await createPlayground()
  const directory = await writeScribe(place, 'scribe')
  const run = await place.run(
    oneJob(`
- {name: first, run: echo first}
- {name: scribe, id: scribe, uses: me/scribe@v1, with: {word: hi, A-B C: '2'}}
- {name: last, run: 'echo "main said \${{ steps.scribe.outputs.from-main }}"'}
`),
    { actions: new Map([['me/scribe@v1', directory]]), service },
  )
  expect(run.conclusion).toBe('success')
  expect(Object.keys(run.steps('job'))).toEqual([
    'Pre scribe',
    'first',
    'scribe',
    'last',
    'Post scribe',
  ])
  const log = run.log('job')
  expect(log).toMatch(
    /pre hi 2 -[\s\S]*first[\s\S]*main hi 2 pre[\s\S]*main said yes[\s\S]*post hi 2 main/,
  )
  expect(log).toContain('results http://127.0.0.1:9/ token true')
})

test('a local JavaScript action runs no pre script, and its post script runs after a failure unless post-if says otherwise', async () => {
  const place = await createPlayground()
  await writeScribe(place, 'always')
  await writeScribe(place, 'onlygood', '  post-if: success()\n')
  const run = await place.run(
    oneJob(`
- uses: actions/checkout@v4
- {name: always, uses: ./always}
- {name: onlygood, uses: ./onlygood, with: {word: x}}
- {name: break, run: exit 1}
`),
    { service },
  )
  expect(run.conclusion).toBe('failure')
  expect(run.steps('job')).toEqual({
    'Run actions/checkout@v4': 'success',
    always: 'success',
    onlygood: 'success',
    break: 'failure',
    'Post onlygood': 'skipped',
    'Post always': 'success',
  })
  expect(run.log('job')).toContain('main default main')
  expect(run.log('job')).toContain('post default main')
})

test('a failing action fails its step, and a skipped one has no post step', async () => {
  const place = await createPlayground()
  const directory = await writeScribe(place, 'scribe')
  const run = await place.run(
    oneJob(`
- {name: failing, uses: me/scribe@v1, with: {fail: main}}
- {name: skipped, uses: me/scribe/@v1}
`).replace('me/scribe/@v1', './scribe'),
    { actions: new Map([['me/scribe', directory]]), service },
  )
  expect(run.steps('job')).toEqual({
    'Pre failing': 'success',
    failing: 'failure',
    skipped: 'skipped',
    'Post failing': 'success',
  })
  expect(run.log('job')).toContain('me/scribe@v1 failed with exit code 3.')
  expect(run.log('job')).toContain("Input 'fail' has been deprecated with message: do not")
})

test('actions get the token and the results service, scripts do not', async () => {
  const place = await createPlayground()
  const run = await place.run(
    oneJob('- run: echo "[${ACTIONS_RUNTIME_TOKEN-}${ACTIONS_RESULTS_URL-}] ${{ github.token }}"'),
    { service },
  )
  expect(run.log('job')).toMatch(/^\[\] \*\*\*$/m)
})

test('a composite action has its own inputs, outputs, steps and status, and can use other actions', async () => {
  const place = await createPlayground()
  await place.write(
    'inner/action.yml',
    `
name: Inner
description: d
inputs:
  text: {description: d, required: true}
outputs:
  shout: {description: d, value: '\${{ steps.up.outputs.shout }}'}
runs:
  using: composite
  steps:
    - id: up
      shell: bash
      run: echo "shout=$(echo "\${{ inputs.text }}" | tr a-z A-Z)" >> $GITHUB_OUTPUT
`,
  )
  await place.write('outer/hello.sh', 'echo "script of the action says $GREETING"\n')
  await place.write(
    'outer/action.yml',
    `
name: Outer
description: d
inputs:
  name: {description: d, default: nobody}
outputs:
  result: {description: d, value: '\${{ steps.inner.outputs.shout }}!'}
runs:
  using: composite
  steps:
    - shell: bash
      run: bash "$GITHUB_ACTION_PATH/hello.sh"; bash "\${{ github.action_path }}/hello.sh"; echo "OUTER=set" >> $GITHUB_ENV
    - id: inner
      uses: ./inner
      with: {text: 'hello \${{ inputs.name }}'}
    - id: shaky
      shell: bash
      run: exit 1
      continue-on-error: true
    - shell: bash
      run: echo "\${{ steps.shaky.outcome }} \${{ steps.shaky.conclusion }} \${{ env.OUTER }}"
    - if: failure()
      shell: bash
      run: echo never
`,
  )
  const run = await place.run(
    oneJob(`
- uses: actions/checkout@v4
- {id: outer, name: outer, uses: ./outer, with: {name: world}, env: {GREETING: ahoy}}
- {name: after, run: 'echo "\${{ steps.outer.outputs.result }} $OUTER [\${{ steps.inner.outcome }}] [\${GREETING-}]"'}
`),
  )
  expect(run.conclusion).toBe('success')
  const log = run.log('job')
  expect(log.match(/script of the action says ahoy/g)).toHaveLength(2)
  expect(log).toContain('failure success set')
  expect(log).not.toMatch(/^never$/m)
  expect(log).toContain('HELLO WORLD! set [] []')
})

test('a failing step fails the composite action after its always() steps have run', async () => {
  const place = await createPlayground()
  const composite = `
name: C
description: d
runs:
  using: composite
  steps:
    - {shell: bash, run: exit 4}
    - {shell: bash, run: echo never}
    - {if: always(), shell: bash, run: 'echo own cleanup'}
`
  await place.write('c/action.yml', composite)
  const run = await place.run(
    oneJob('- uses: actions/checkout@v4\n- {name: c, uses: ./c}\n- {name: next, run: echo no}'),
  )
  expect(run.steps('job')).toMatchObject({ c: 'failure', next: 'skipped' })
  expect(run.log('job')).toContain('own cleanup')
  expect(run.log('job')).not.toMatch(/^never$/m)
})

test('the defaults of a job do not apply to steps of a composite action', async () => {
  const place = await createPlayground()
  await place.write(
    'c/action.yml',
    "name: C\ndescription: d\nruns:\n  using: composite\n  steps: [{shell: sh, run: 'echo in $(basename $PWD)'}]\n",
  )
  const run = await place.run(`
on: push
jobs:
  job:
    runs-on: x
    defaults: {run: {working-directory: c}}
    steps:
      - uses: actions/checkout@v4
      - run: echo job in $(basename $PWD)
      - uses: ./c
`)
  expect(run.log('job')).toMatch(/^job in c$/m)
  expect(run.log('job')).toMatch(/^in demo$/m)
})

test.each([['of a repository'], ['of a plain directory']])(
  'checkout %s copies files whose names and link targets are not UTF-8, and a second checkout removes them',
  async (kind) => {
    const place = await createPlayground()
    if (kind === 'of a repository') await runFile('git', ['init', '-q', place.repository])
    const bytes = (text: string): Buffer => Buffer.from(`${place.repository}/${text}`, 'latin1')
    await mkdir(bytes('d\xff'))
    await writeFile(bytes('d\xff/caf\xe9'), 'coffee')
    await symlink(Buffer.from('caf\xe9', 'latin1'), bytes('d\xff/link'))
    await place.write('d\u00e9/plain', 'plain')
    const run = await place.run(
      oneJob(`
- {uses: actions/checkout@v4}
- {uses: actions/checkout@v4}
- run: cat d$'\\xff'/link d\u00e9/plain
  shell: bash
`),
    )
    expect(run.conclusion).toBe('success')
    expect(run.log('job')).toContain('coffeeplain')
  },
)

test('checkout works in a repository that belongs to another user, as in a container', async () => {
  const place = await createPlayground()
  await place.write('a.txt', 'a')
  const git = async (...args: string[]): Promise<unknown> =>
    await runFile('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], {
      cwd: place.repository,
    })
  await git('init', '-q')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'first')
  // A variable that git's own test suite uses.
  const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' }
  const run = await place.run(
    oneJob('- uses: actions/checkout@v4\n- run: cat a.txt; test -d .git'),
    {
      environment,
    },
  )
  expect(run.conclusion).toBe('success')
})

test('checkout copies tracked and untracked files as they are on disk, without ignored ones, into a clone', async () => {
  const place = await createPlayground()
  const git = async (...args: string[]): Promise<string> =>
    (
      await runFile('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], {
        cwd: place.repository,
      })
    ).stdout.trim()
  await git('init', '-q', '-b', 'main')
  await place.write('.gitignore', 'ignored/\n')
  await place.write('tracked.txt', 'old')
  await place.write('gone.txt', 'gone')
  await chmod(await place.write('bin/tool.sh', '#!/bin/sh\n'), 0o755)
  await symlink('tracked.txt', join(place.repository, 'link'))
  await git('add', '-A')
  await git('commit', '-q', '-m', 'first')
  await git('tag', 'v0')
  await place.write('second.txt', 'second')
  await git('add', '-A')
  await git('commit', '-q', '-m', 'second')
  await git('tag', 'v1')
  const commit = await git('rev-parse', 'HEAD')
  await place.write('tracked.txt', 'edited')
  await place.write('new.txt', 'new')
  await place.write('ignored/cache', 'x')
  await runFile('rm', [join(place.repository, 'gone.txt')])
  const run = await place.run(
    oneJob(`
- run: echo stale > stale.txt
- {id: co, uses: actions/checkout@v4}
- run: |
    ls -A | tr '\\n' ' '; echo
    cat tracked.txt new.txt; echo
    git describe --tags; git rev-parse HEAD; git status --short | tr '\\n' ','; echo
    echo "\${{ steps.co.outputs.commit }} \${{ steps.co.outputs.ref }}"
    test -x bin/tool.sh && test ! -x tracked.txt && readlink link
- uses: actions/checkout@v4
  with: {ref: v0, path: first}
- run: cat first/tracked.txt first/gone.txt; echo; test ! -e first/second.txt
- {uses: actions/checkout@v4, with: {repository: other/one}, continue-on-error: true}
- {uses: actions/checkout@v4, with: {path: ../../x}, continue-on-error: true}
- {uses: actions/checkout@v4, with: {ref: nope}, continue-on-error: true}
`),
    { workDirectory: join(place.repository, 'work'), keepWorkDirectory: true },
  )
  expect(run.conclusion).toBe('success')
  const log = run.log('job')
  expect(log).toContain('.git .github .gitignore bin link new.txt second.txt tracked.txt \n')
  expect(log).toContain('editednew\nv1\n' + commit)
  expect(log).toMatch(/ D gone\.txt, M tracked\.txt,\?\? \.github\/,\?\? new\.txt,/)
  expect(log).toContain(`${commit} refs/heads/main`)
  expect(log).toContain('oldgone\n')
  expect(log).toContain(
    'Cannot check out other/one: trove run checks out only this repository (octo/demo)',
  )
  expect(log).toMatch(/Repository path '.*' is not under/)
  expect(log).toContain("Cannot check out 'nope': no such ref")
  const workspace = join(place.repository, 'work/job/demo')
  expect((await stat(join(workspace, 'bin/tool.sh'))).mode & 0o777).toBe(0o755)
  expect((await lstat(join(workspace, 'link'))).isSymbolicLink()).toBe(true)
  expect(await readlink(join(workspace, 'link'))).toBe('tracked.txt')
})

test('checkout copies the submodules that are asked for, and names those that are not on this machine', async () => {
  const place = await createPlayground()
  const git = async (directory: string, ...args: string[]): Promise<unknown> =>
    await runFile(
      'git',
      ['-c', 'user.name=n', '-c', 'user.email=e@x', '-c', 'protocol.file.allow=always', ...args],
      { cwd: join(place.root, directory) },
    )
  for (const [name, inner] of [['leaf'], ['lib', 'leaf']] as const) {
    await mkdir(join(place.root, name))
    await git(name, 'init', '-q')
    await writeFile(join(place.root, name, `${name}.txt`), name)
    if (inner !== undefined) await git(name, 'submodule', '--quiet', 'add', '../leaf', inner)
    await git(name, 'add', '-A')
    await git(name, 'commit', '-q', '-m', name)
  }
  await git('repository', 'init', '-q')
  await git('repository', 'commit', '-q', '--allow-empty', '-m', 'none')
  await git('repository', 'tag', 'none')
  await git('repository', 'submodule', '--quiet', 'add', '../lib', 'vendor/lib')
  await git('repository', 'commit', '-q', '-m', 'first')
  await git('repository', 'tag', 'first')
  await git('repository', 'commit', '-q', '--allow-empty', '-m', 'second')
  const list = 'find vendor -name "*.txt" | sort; echo end'
  const run = await place.run(
    oneJob(`
- {uses: actions/checkout@v4}
- {name: none, run: '${list}'}
- {uses: actions/checkout@v4, with: {submodules: true}}
- {name: own, run: '${list}; git status --short'}
- {uses: actions/checkout@v4, with: {submodules: recursive}}
`),
  )
  expect(run.conclusion).toBe('success')
  expect(run.log('job')).toMatch(/\nend\n[^]*\nvendor\/lib\/lib\.txt\nend\n/)
  const warnings = (): string[] =>
    place.events.flatMap((event) => (event.type === 'annotation' ? [event.annotation.message] : []))
  expect(warnings()).toEqual([
    expect.stringMatching(
      /^The submodule leaf is not on this machine; get it with git -C \S+\/vendor\/lib submodule update --init$/,
    ),
  ])
  await git('repository', 'submodule', '--quiet', 'update', '--init', '--recursive')
  const filled = await place.run(
    oneJob(`- {uses: actions/checkout@v4, with: {submodules: recursive}}\n- run: ${list}`),
  )
  expect(filled.log('job')).toContain('vendor/lib/leaf/leaf.txt\nvendor/lib/lib.txt\nend')
  place.events.length = 0
  await place.run(
    oneJob(`
- {uses: actions/checkout@v4, with: {submodules: true, ref: none, path: none}}
- {uses: actions/checkout@v4, with: {submodules: true, ref: first, path: first}}
`),
  )
  const { stdout: first } = await runFile('git', ['rev-parse', 'first'], { cwd: place.repository })
  expect(warnings()).toEqual([`The submodules of ${first.trim()} are not checked out.`])
})

test('secrets are masked in all events of a run, also across chunks of output and in job outputs', async () => {
  const place = await createPlayground()
  const multiline = 'first-line-of-key\nsecond-line-of-key'
  await mkdir(join(place.root, 'tools'))
  // Writes the secret in two separate chunks without a line break.
  await writeFile(
    join(place.root, 'tools/pieces.js'),
    "process.stdout.write('x hunter2-'); setTimeout(() => process.stdout.write('hunter2 y\\n'), 50)",
  )
  const run = await place.run(
    `
on: push
jobs:
  job:
    name: job of \${{ vars.WHO }}
    runs-on: x
    outputs:
      leak: \${{ steps.leak.outputs.value }}
      fine: \${{ steps.leak.outputs.fine }}
    steps:
      - name: say \${{ secrets.PASSWORD }}
        run: |
          echo "$P" | rev | rev
          node "$TOOLS/pieces.js"
          head -c 200000 /dev/zero | tr '\\0' z; printf %s "$P"; head -c 100000 /dev/zero | tr '\\0' z; echo
          printf '%s\\n' "$KEY" | cat
          echo -n "user:$P" | base64
          echo "::error title=$P,file=$P::$P"
          echo "::group::$P"
          echo "$P" >> $GITHUB_STEP_SUMMARY
        env: {P: '\${{ secrets.PASSWORD }}', KEY: '\${{ secrets.KEY }}', TOOLS: '${place.root}/tools'}
      - id: leak
        run: echo "value=\${{ secrets.PASSWORD }}" >> $GITHUB_OUTPUT; echo "fine=ok" >> $GITHUB_OUTPUT
`,
    {
      secrets: { PASSWORD: 'hunter2-hunter2', KEY: multiline },
      vars: { WHO: 'hunter2-hunter2' },
      environment: { PATH: `${join(process.execPath, '..')}:/usr/bin:/bin` },
      facts: facts(),
    },
  )
  expect(run.conclusion).toBe('success')
  const recorded = JSON.stringify(place.events)
  for (const hidden of [
    'hunter2-hunter2',
    'first-line-of-key',
    'second-line-of-key',
    Buffer.from('hunter2-hunter2').toString('base64').slice(0, 18),
  ]) {
    expect(recorded).not.toContain(hidden)
  }
  expect(recorded).toContain('x *** y')
  expect(run.jobs[0]?.outputs).toEqual({ fine: 'ok' })
  expect(recorded).toContain("Skip output 'leak' since it may contain secret.")
})

test('a secret is masked in a matrix, even as the value of an axis with the name of an event field', async () => {
  const place = await createPlayground()
  const run = await place.run(
    `
on: push
jobs:
  job:
    runs-on: x
    strategy: {matrix: {id: ['\${{ vars.WHO }}'], event: [{key: '\${{ vars.WHO }}'}]}}
    steps: [{run: 'true'}]
`,
    { secrets: { PASSWORD: 'hunter2-hunter2' }, vars: { WHO: 'hunter2-hunter2' } },
  )
  expect(run.conclusion).toBe('success')
  expect(JSON.stringify(place.events)).not.toContain('hunter2-hunter2')
  expect(place.events.find(({ type }) => type === 'job-started')).toMatchObject({
    matrix: { id: '***', event: { key: '***' } },
  })
})
