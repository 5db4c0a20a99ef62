/** `trove run` as users call it: in its own process, with its own server. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import SqliteDatabase from 'better-sqlite3'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { startForwardingProxy } from '../client/forwarding-proxy.ts'
import { makeDirectory } from '../client/tree.ts'
import { openServer } from '../http/open-server.ts'
import { mainProgram, runTrove, startTrove, type Outcome } from '../cli/run-trove.ts'

const runFile = promisify(execFile)

let root: string
let workflow: string

beforeEach(async () => {
  root = await makeDirectory()
  workflow = join(root, 'project/.github/workflows/ci.yml')
  await mkdir(join(root, 'project/.github/workflows'), { recursive: true })
  await mkdir(join(root, 'tmp'))
  environment = { TROVE_PORT: '0', TMPDIR: join(root, 'tmp') }
})

let environment: Record<string, string>

async function trove(
  definition: string,
  args: string[],
  extra: Record<string, string> = {},
): Promise<Outcome> {
  await writeFile(workflow, definition)
  return await runTrove(['run', workflow, '--data', join(root, 'data'), ...args], {
    ...environment,
    ...extra,
  })
}

const twoJobs = `
name: Two
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir dist && echo content > dist/file.txt
      - {uses: actions/upload-artifact@v4, with: {name: dist, path: dist}}
  test:
    needs: build
    runs-on: ubuntu-latest
    steps:
      - {uses: actions/download-artifact@v4, with: {name: dist}}
      - run: echo "it says $(cat file.txt)"
`

test('a run with its own server shows the log, exits with 0, and leaves the artifact in the data directory', async () => {
  const git = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'user.name', GIT_CONFIG_VALUE_0: 'Ada' }
  const shown = await trove(twoJobs, ['--project', 'octo/demo'], git)
  expect(shown.stderr).toMatch(
    /^run (\d+) of octo\/demo: http:\/\/127\.0\.0\.1:\d+\/octo\/demo\/actions\/runs\/\1\n$/,
  )
  expect(shown.text).toContain('test │   it says content\n')
  expect(shown.status).toBe(0)
  const database = new SqliteDatabase(join(root, 'data/trove.db'), { readonly: true })
  const recorded = database.prepare('SELECT name, conclusion FROM run_jobs ORDER BY id').all()
  const facts = database.prepare('SELECT branch, sha, event, actor FROM runs').all()
  database.close()
  expect(facts).toEqual([{ branch: 'main', sha: null, event: 'push', actor: 'Ada' }])
  expect(recorded).toEqual([
    { name: 'build', conclusion: 'success' },
    { name: 'test', conclusion: 'success' },
  ])
  const again = await trove(twoJobs, ['--project', 'octo/demo', '--json', '--run', '42'])
  const events = again.text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; text?: string })
  expect(events[0]).toMatchObject({ type: 'run-started', workflow: 'Two' })
  expect(events.at(-1)).toMatchObject({ type: 'run-finished', conclusion: 'success' })
  // The same tree again: everything is already there.
  expect(events.map((event) => event.text ?? '').join('\n')).toMatch(/8 B, .* sent, 8 B not sent/)
})

test('a failing workflow exits with 1, an invalid one with 2 and all its problems', async () => {
  const failing = await trove('on: push\njobs:\n  a: {runs-on: x, steps: [{run: exit 3}]}\n', [])
  expect(failing.status).toBe(1)
  expect(failing.text).toContain('Process completed with exit code 3.')
  const broken = await trove(
    'on: push\njobs:\n  a: {runs-on: x, steps: [{uses: a/b@v1}]}\n  b: {runs-on: x, container: y, steps: [{run: x}]}\n',
    [],
  )
  expect(broken.status).toBe(2)
  expect(broken.text).toBe('')
  expect(broken.stderr.match(/ci\.yml:\d+:\d+: job '[ab]'/g)).toHaveLength(2)
  expect((await trove(twoJobs, ['--input', 'nonsense'])).status).toBe(2)
  expect((await trove(twoJobs, ['--job', 'absent'])).stderr).toContain(
    "no job 'absent' in this workflow",
  )
})

test("the run's own server is reached without the proxy that steps see in their environment", async () => {
  const shown = await trove(
    `${twoJobs}      - run: echo "proxy is $HTTP_PROXY"\n`,
    ['--project', 'octo/demo'],
    { HTTP_PROXY: 'http://127.0.0.1:1', TROVE_HOST: '0.0.0.0' },
  )
  expect(shown).toMatchObject({ status: 0, stderr: expect.not.stringContaining('the page of') })
  expect(shown.text).toContain('proxy is http://127.0.0.1:1\n')
})

test('a server given with --url is reached through the proxy, for artifacts and the record', async () => {
  const server = await openServer()
  onTestFinished(() => server.close())
  const proxy = await startForwardingProxy({ hosts: { 'store.test': server.url } })
  const shown = await trove(twoJobs, ['--url', 'http://store.test', '--project', 'octo/demo'], {
    HTTP_PROXY: proxy.url,
    TROVE_TOKEN: await server.token({ scope: 'admin' }),
  })
  expect(shown).toMatchObject({ status: 0, stderr: expect.not.stringContaining('the page of') })
  for (const path of ['POST /tokens', 'POST /uploads', 'PUT /projects/octo/demo/runs/'])
    expect(proxy.asked).toContainEqual(
      expect.stringContaining(path.replace(' ', ' http://store.test/api/v1')),
    )
})

test('--dry-run shows jobs and steps and runs nothing', async () => {
  const shown = await trove(twoJobs, ['--dry-run', '--job', 'test'])
  expect(shown.text).toBe(`build
  mkdir dist && echo content > dist/file.txt
  actions/upload-artifact@v4
test  needs build
  actions/download-artifact@v4
  echo "it says $(cat file.txt)"
`)
  expect(shown.status).toBe(0)
})

test('a workflow can come from a pipe', async () => {
  await writeFile(workflow, twoJobs)
  const { stdout } = await runFile(
    'bash',
    ['-c', '"$0" "$1" run <(cat "$2") --dry-run', process.execPath, mainProgram, workflow],
    { env: { ...process.env, ...environment } },
  )
  expect(stdout).toMatch(/^build\n/)
})

test('an unusable token or server is reported before anything runs', async () => {
  const server = await openServer()
  onTestFinished(async () => await server.close())
  const to = async (url: string, grant: Parameters<typeof server.token>[0]): Promise<Outcome> => {
    await writeFile(workflow, twoJobs)
    const access = { TROVE_URL: url, TROVE_TOKEN: await server.token(grant) }
    return await runTrove(['run', workflow], { ...environment, ...access })
  }
  const refused = await to(server.url, { project: 'local/project', scope: 'read' })
  expect(refused).toMatchObject({ status: 6, text: '' })
  expect(refused.stderr).toContain('requires a token of scope admin')
  const absent = await to('http://127.0.0.1:1', { scope: 'admin' })
  expect(absent).toMatchObject({ status: 10, text: '' })
  for (const grant of [{ scope: 'admin' }, { project: 'local/project', scope: 'write' }] as const) {
    const { text, stderr } = await to(server.url, grant)
    expect(text).toContain('it says content')
    expect(stderr).not.toContain('trove: ')
  }
})

test("--attempt sets the attempt, and only the server's maximum limits retention-days", async () => {
  const upload = (name: string, days: number): string =>
    `{uses: actions/upload-artifact@v4, with: {name: ${name}, path: f, retention-days: ${days}}}`
  const { status, text } = await trove(
    `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: echo "attempt \${{ github.run_attempt }}" | tee f
      - ${upload('within', 150)}
      - ${upload('beyond', 300)}
`,
    ['--attempt', '2'],
    { TROVE_RETENTION_MAX_DAYS: '200' },
  )
  expect(status).toBe(0)
  expect(text).toContain('attempt 2\n')
  expect(text.match(/Using \d+ days instead/g)).toEqual([
    'Using 200 days instead',
    'Using 200 days instead',
  ])
})

test('rerunning an older attempt prints that the page shows another attempt', async () => {
  const attempt = async (number: string): Promise<string> => {
    const args = ['--project', 'octo/demo', '--run', '42', '--attempt', number]
    return (await trove('on: push\njobs:\n  a: {runs-on: x, steps: [{run: echo}]}\n', args)).stderr
  }
  const line = "trove: this is attempt 1; the run's page shows attempt 2\n"
  expect(await attempt('2')).toMatch(/^run 42 .*\n$/)
  expect(await attempt('2')).toMatch(/^run 42 .*\n$/)
  expect(await attempt('1')).toContain(line)
})

test('flags pass inputs, variables, secrets and actions; the environment of the command stays out of the job', async () => {
  await mkdir(join(root, 'tool'))
  await writeFile(
    join(root, 'tool/action.yml'),
    'name: t\ndescription: d\nruns:\n  using: composite\n  steps: [{run: echo the tool ran, shell: sh}]\n',
  )
  await writeFile(join(root, 'secrets'), 'FILED=from-the-file\n')
  const shown = await trove(
    `
on:
  workflow_dispatch:
    inputs: {level: {type: string}}
jobs:
  a:
    runs-on: x
    steps:
      - run: echo "\${{ inputs.level }} \${{ vars.COLOR }} [\${TROVE_TOKEN-}]"
      - run: echo "\${{ secrets.NAMED }} \${{ secrets.FILED }}" | rev
      - run: echo "\${{ secrets.NAMED }} \${{ secrets.FILED }}"
      - uses: me/tool@v1
`,
    [
      '--input',
      'level=high=est',
      '--var',
      'COLOR=red',
      '--secret',
      'NAMED',
      '--secrets-file',
      join(root, 'secrets'),
      '--action',
      `me/tool@v1=${join(root, 'tool')}`,
    ],
    { NAMED: 'from-the-environment', TROVE_TOKEN: 'not-for-jobs' },
  )
  expect(shown.status).toBe(0)
  expect(shown.text).toContain('high=est red []')
  expect(shown.text).toContain('tnemnorivne-eht-morf')
  expect(shown.text).not.toContain('from-the-')
  expect(shown.text).toContain('the tool ran')
})

test('an invalid secrets file is reported by line number, without its content', async () => {
  const file = join(root, 'secrets')
  await writeFile(file, 'GOOD=x\nKEY=-----BEGIN KEY-----\nTUlJRXBBSUJBQUtDQVFFQQ\n')
  const shown = await trove(twoJobs, ['--secrets-file', file])
  expect(shown.status).toBe(2)
  expect(shown.stderr).toContain(`--secrets-file ${file}, line 3: expected NAME=VALUE, or`)
  expect(shown.stderr).not.toContain('TUlJ')
  await writeFile(file, 'KEY<<END\nTUlJRXBBSUJBQUtDQVFFQQ\n')
  const open = await trove(twoJobs, ['--secrets-file', file])
  expect(open.stderr).toContain(`--secrets-file ${file}, line 1: `)
})

test('github.event has the repository, the sender and what a payload file adds or replaces', async () => {
  const workflow = `
on: [pull_request]
jobs:
  job:
    runs-on: x
    steps: [{run: 'jq -c . "$GITHUB_EVENT_PATH"'}]
`
  const repository = { name: 'demo', full_name: 'octo/demo', owner: { login: 'octo' } }
  const own = await trove(workflow, ['--project', 'octo/demo'])
  const [event] = own.text.match(/\{"repository.*\}/) ?? []
  expect(JSON.parse(event ?? '')).toEqual({ repository, sender: { login: expect.any(String) } })
  const file = join(root, 'payload.json')
  await writeFile(file, '{"sender": {"login": "hubot"}, "number": 3}')
  const given = await trove(workflow, ['--project', 'octo/demo', '--payload', file])
  const [whole] = given.text.match(/\{"repository.*\}/) ?? []
  expect(JSON.parse(whole ?? '')).toEqual({ repository, sender: { login: 'hubot' }, number: 3 })
})

test('a payload that is no JSON object is a usage error that names the file', async () => {
  const file = join(root, 'payload.json')
  for (const [text, reason] of [
    ['{"number": ', 'is not JSON: '],
    ['[]', 'must hold a JSON object'],
    ['null', 'must hold a JSON object'],
  ] as const) {
    await writeFile(file, text)
    const refused = await trove(twoJobs, ['--payload', file])
    expect(refused).toMatchObject({ status: 2 })
    expect(refused.stderr).toContain(`--payload ${file} ${reason}`)
  }
})

test('a missing file is reported by name', async () => {
  const gone = join(root, 'gone.yml')
  const absent = await runTrove(['run', gone], environment)
  expect(absent).toMatchObject({ status: 1, stderr: `trove: ${gone} does not exist\n` })
  const noSecrets = await trove(twoJobs, ['--secrets-file', root])
  expect(noSecrets.stderr).toBe(`trove: ${root} is a directory; name a file in it\n`)
})

test("a run in the job of a pull request has that job's facts and stays untrusted, whatever event it simulates", async () => {
  const job = {
    GITHUB_EVENT_NAME: 'pull_request',
    GITHUB_REF: 'refs/pull/34/merge',
    GITHUB_RUN_NUMBER: '12',
    GITHUB_ACTOR: 'octocat',
  }
  await trove(twoJobs, ['--project', 'octo/demo', '--event', 'push'], job)
  const database = new SqliteDatabase(join(root, 'data/trove.db'), { readonly: true })
  const facts = database.prepare('SELECT event, ordinal, pull_request, actor FROM runs').get()
  const latest = database.prepare('SELECT latest_of FROM artifacts').pluck().all()
  database.close()
  const told = { event: 'pull_request', ordinal: 12, pull_request: 34, actor: 'octocat' }
  expect([facts, latest]).toEqual([told, [null]])
})

test('a run started by a git hook works on copies and leaves the repository and its index alone', async () => {
  const project = join(root, 'project')
  const git = async (...args: string[]): Promise<string> =>
    (await runFile('git', ['-c', 'user.name=n', '-c', 'user.email=e@x', ...args], { cwd: project }))
      .stdout
  await git('init', '-q', '-b', 'main')
  await writeFile(
    workflow,
    `on: push\njobs:\n  a: {runs-on: x, steps: [{uses: actions/checkout@v6}, {run: 'test -e staged && git rm -q --cached .github/workflows/ci.yml && git rev-parse --show-toplevel'}]}\n`,
  )
  await git('add', '-A')
  await git('commit', '-q', '-m', 'first')
  await writeFile(join(project, 'staged'), 'staged')
  await git('add', 'staged')
  // The environment of hooks; with several work trees the paths are absolute.
  const shown = await runTrove(
    ['run', workflow, '--data', join(root, 'data')],
    {
      ...environment,
      GIT_DIR: join(project, '.git'),
      GIT_INDEX_FILE: join(project, '.git/index'),
      GIT_PREFIX: '',
    },
    project,
  )
  expect(shown.stderr + shown.text).toMatch(/^ {2}.*\/a\/project$/m)
  expect(shown.status).toBe(0)
  expect(await git('status', '--short')).toBe('A  staged\n')
})

test('checkout and cleanup remove read-only directories, also for users other than root', async () => {
  await writeFile(
    workflow,
    `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: mkdir -p mod/cache && touch mod/cache/a && chmod 555 mod/cache mod
      - uses: actions/checkout@v6
      - run: test ! -e mod
      - run: mkdir -p mod/cache && touch mod/cache/a && ln -s ${root}/kept mod/link && chmod 555 mod/cache mod
`,
  )
  await mkdir(join(root, 'kept'), { mode: 0o555 })
  const words = [process.execPath, mainProgram, 'run', workflow, '--data', join(root, 'data')]
  // Drops the capabilities that let root ignore modes.
  const trust = ['--bounding-set', '-dac_override,-dac_read_search,-fowner']
  const [command = '', ...args] = process.getuid?.() === 0 ? ['setpriv', ...trust, ...words] : words
  const { PATH = '', HOME = '' } = process.env
  const { stdout } = await runFile(command, args, { env: { PATH, HOME, ...environment } })
  expect(stdout).toMatch(/✓ success in .*\n$/)
  expect(await runDirectories()).toEqual([])
  expect((await stat(join(root, 'kept'))).mode & 0o777).toBe(0o555)
})

test('a slow reader gets the whole log', async () => {
  await writeFile(workflow, 'on: push\njobs:\n  a: {runs-on: x, steps: [{run: seq 100000}]}\n')
  const child = startTrove(['run', workflow, '--data', join(root, 'data')], environment)
  // Read nothing until the command is blocked on output, or has exited.
  await Promise.race([once(child, 'exit'), sleep(5_000)])
  const shown = await text(child.stdout)
  expect(shown.split('\n').filter((line) => /^ +\d+$/.test(line))).toHaveLength(100_000)
  expect(shown).toMatch(/✓ success in .*\n$/)
})

/** Run directories in the temporary directory of these commands. */
async function runDirectories(): Promise<string[]> {
  return (await readdir(join(root, 'tmp'))).filter((name) => name.startsWith('trove-run-'))
}

async function isRunning(pidFile: string): Promise<boolean> {
  const pid = Number(await readFile(join(root, pidFile), 'utf8'))
  const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'gone')
  return state !== 'gone' && !state.includes(') Z ')
}

test('Ctrl-C stops the running step, runs always() steps and exits with 130; a second Ctrl-C stops everything', async () => {
  await writeFile(
    workflow,
    `
on: push
jobs:
  a:
    runs-on: x
    steps:
      - run: sleep 60 > /dev/null 2>&1 & echo $! > ${root}/background
      - run: echo ready; sleep 60
      - if: always()
        run: echo $$ > ${root}/pid; echo cleaning; sleep 60
`,
  )
  const child = startTrove(['run', workflow, '--data', join(root, 'data')], environment)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (line.endsWith('  ready') || line.endsWith('  cleaning')) child.kill('SIGINT')
  })
  await buffer(child.stderr)
  const status = child.exitCode ?? (await new Promise((resolve) => child.once('close', resolve)))
  expect(status).toBe(130)
  expect(lines.join('\n')).toContain('The operation was canceled.')
  expect(await isRunning('pid')).toBe(false)
  expect(await isRunning('background')).toBe(false)
  expect(await runDirectories()).toEqual([])
})

test('Ctrl-C exits with 130 also when a job that always runs fails afterwards', async () => {
  await writeFile(
    workflow,
    `
on: push
jobs:
  a:
    runs-on: x
    steps: [{run: 'echo ready; sleep 60'}]
  b:
    needs: a
    if: always()
    runs-on: x
    steps: [{run: 'echo reporting; exit 3'}]
`,
  )
  const child = startTrove(['run', workflow, '--data', join(root, 'data')], environment)
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    if (line.endsWith('  ready')) child.kill('SIGINT')
  })
  await once(child, 'close')
  expect(child.exitCode).toBe(130)
  expect(lines.join('\n')).toContain('reporting')
})

test('--parallel must be a number, as other flags say it', async () => {
  const refused = await trove(twoJobs, ['--parallel', '0x2'])
  expect(refused).toMatchObject({ status: 2 })
  expect(refused.stderr).toContain('--parallel must be a whole number from 1 to 256, got "0x2"')
})

test('closing the terminal ends the run with all its processes', async () => {
  await writeFile(
    workflow,
    `on: push\njobs:\n  a: {runs-on: x, steps: [{run: 'echo $$ > ${root}/pid; echo ready; exec sleep 60'}]}\n`,
  )
  const child = startTrove(['run', workflow, '--data', join(root, 'data')], environment)
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.endsWith('  ready')) child.kill('SIGHUP')
  })
  await once(child, 'close')
  expect(child.exitCode).toBe(130)
  expect(await isRunning('pid')).toBe(false)
  expect(await runDirectories()).toEqual([])
})

test('two concurrent runs with the same id work in separate directories that others cannot read', async () => {
  const running = ['a', 'b'].map(async (job) => {
    const file = join(root, `project/${job}.yml`)
    const script = `touch ${root}/started-${job}; stat -c %a ../..; test ! -e mine; echo ${job} > mine; until test -e ${root}/started-a && test -e ${root}/started-b; do sleep 0.1; done; sleep 0.5; cat mine`
    await writeFile(file, `on: push\njobs:\n  job: {runs-on: x, steps: [{run: '${script}'}]}\n`)
    return await runTrove(
      ['run', file, '--run', '7', '--data', join(root, `data-${job}`)],
      environment,
    )
  })
  const [a, b] = await Promise.all(running)
  expect([a?.status, b?.status]).toEqual([0, 0])
  expect(a?.text).toMatch(/^ {2}700\n {2}a$/m)
  expect(b?.text).toMatch(/^ {2}700\n {2}b$/m)
  expect(await runDirectories()).toEqual([])
})
