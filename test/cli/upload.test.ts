/** `trove upload` as scripts and CI jobs use it. */
import { once } from 'node:events'
import { chmod, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { lines, makeDirectory, makeTree } from '../client/tree.ts'
import { checkoutConfig, randomText } from '../core/made-up-secrets.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runTroveInside } from './run-inside.ts'
import { type Outcome, startTrove } from './run-trove.ts'

const server = await openSharedServer()
let root: string
let run = 100
beforeEach(async () => {
  run += 1
  root = await makeDirectory({
    'dist/a.js': `run ${run}\n${lines(2000)}`,
    'dist/a.js.map': 'map',
    'dist/sub/b.js': 'b',
    'dist/.hidden': 'h',
    'logs/x.log': 'x',
    'node_modules/y/y.log': 'y',
  })
})

async function trove(args: string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const access = {
    ...(await server.access()),
    TROVE_RUN: String(run),
    TROVE_CACHE_DIR: join(root, '.cache'),
  }
  return await runTroveInside(args, { ...access, ...environment }, root)
}

async function pathsOf(name: string): Promise<string[]> {
  const { status, text } = await trove(['ls', '-R', `${run}/${name}`])
  return status === 0 ? text.trim().split('\n') : []
}

describe('trove upload selects', () => {
  test.each([
    ['the contents of one directory', ['dist'], ['a.js', 'a.js.map', 'sub/b.js']],
    ['one file under its name', ['dist/sub/b.js'], ['b.js']],
    [
      'several paths below their least common ancestor',
      ['dist/sub', 'logs'],
      ['dist/sub/b.js', 'logs/x.log'],
    ],
    [
      'a glob relative to the part before its first wildcard',
      ['dist/**/*.js'],
      ['a.js', 'sub/b.js'],
    ],
    ['paths that no ! excludes', ['**/*.log', '!node_modules/**'], ['logs/x.log']],
    ['a directory without what ! excludes', ['dist', '!dist/sub'], ['a.js', 'a.js.map']],
    [
      'without what several --exclude match',
      ['dist', '--exclude', '**/*.map', '--exclude', 'sub'],
      ['a.js'],
    ],
    [
      'hidden files only with --include-hidden',
      ['dist', '--include-hidden'],
      ['.hidden', 'a.js', 'a.js.map', 'sub/b.js'],
    ],
  ])('%s', async (_, args, paths) => {
    expect(await trove(['upload', 'build', ...args])).toMatchObject({ status: 0, text: '' })
    expect(await pathsOf('build')).toEqual(paths)
    // A dry run lists the same paths beforehand.
    const planned = await trove(['upload', 'build', ...args, '--dry-run'])
    expect(planned.text.trim().split('\n')).toEqual(paths)
  })

  test('says which hidden files it left out', async () => {
    const left = '  left out: .hidden (--include-hidden adds them)\n'
    expect((await trove(['upload', 'build', 'dist', '-n'])).stderr).toContain(left)
    expect((await trove(['upload', 'build', 'dist'])).stderr).toContain(left)
    const { text } = await trove(['upload', 'build', 'dist', '--json'])
    expect(JSON.parse(text)).toMatchObject({ hiddenPaths: 1 })
    const all = await trove(['upload', 'all', 'dist', '--include-hidden'])
    expect(all.stderr).not.toContain('left out')
  })

  test('directories left empty, which a dry run marks as such', async () => {
    const args = ['upload', 'bare', 'dist', '--exclude', 'sub/*', '--exclude', '*.map']
    expect((await trove([...args, '--dry-run'])).text).toBe('a.js\nsub/\n')
  })

  test('symlinks as symlinks, or their targets with --symlinks follow', async () => {
    await symlink('a.js', join(root, 'dist/link'))
    await symlink('nowhere', join(root, 'dist/dangling'))
    await trove(['upload', 'kept', 'dist'])
    await trove(['upload', 'followed', 'dist', '--symlinks', 'follow'])
    const kept = await trove(['ls', '-lR', `${run}/kept`])
    expect(kept.text).toMatch(/^l\S+ .* link -> a\.js$/m)
    expect(kept.text).toMatch(/dangling -> nowhere$/m)
    const followed = await trove(['ls', '-lR', `${run}/followed`])
    expect(followed.text).toMatch(/^-\S+ .* link$/m)
    expect(followed.text).not.toContain('dangling')
  })
})

describe('trove upload that finds no files', () => {
  test.each([
    [[], 0, /warning: no files match nothing\/\*\*/],
    [['--if-no-files-found', 'warn'], 0, /^trove: warning: .*\*\*\n$/],
    [['--if-no-files-found', 'ignore'], 0, /^$/],
    [['--if-no-files-found', 'error'], 12, /trove: no files match nothing/],
    [['--dry-run', '--if-no-files-found', 'error'], 12, /trove: no files match nothing/],
  ])('with %j ends with %d', async (flags, status, stderr) => {
    const outcome = await trove(['upload', 'build', 'nothing/**', ...flags])
    expect(outcome).toMatchObject({ status, text: '', stderr: expect.stringMatching(stderr) })
    expect(await trove(['ls', `${run}/build`])).toMatchObject({ status: 3 })
  })

  test.each([[[]], [['--dry-run']]])('says which are hidden, with %j', async (flags) => {
    const { stderr } = await trove(['upload', 'build', 'dist/.hid*', ...flags])
    expect(stderr).toMatch(/^trove: warning: no files.*\n {2}left out: \.hidden \(--include-.*\n$/)
  })

  test('is null with --json', async () => {
    expect(await trove(['upload', 'build', 'nothing/**', '--json'])).toMatchObject({
      status: 0,
      text: 'null\n',
    })
  })
})

describe('trove upload of credentials', () => {
  const checkout = ['upload', 'build', '.', '--include-hidden', '--exclude', '.cache/**']
  beforeEach(async () => {
    await makeTree(root, {
      '.git/config': checkoutConfig(),
      '.env': `DEBUG=1\nDB_PASSWORD=${randomText(20)}7\n`,
      'test/server.key': 'none',
    })
  })

  test('reports path, line and kind, but never the secret itself', async () => {
    const { status, text, stderr } = await trove([...checkout, '--json'])
    expect(status).toBe(0)
    expect(JSON.parse(text)).toMatchObject({
      secrets: [
        { path: '.env', line: 2, kind: 'env-secret' },
        { path: '.git/config', line: 7, kind: 'git-authorization' },
      ],
    })
    expect(stderr).toContain(
      'trove: warning: the upload contains 2 secrets\n  .env:2: secret in an .env file\n  .git/config:7: git credential',
    )
    expect(text + stderr).not.toContain(randomText(20))
  })

  test('warns with --dry-run before anything is sent, and annotates a job', async () => {
    const planned = await trove([...checkout, '--dry-run'])
    expect(planned).toMatchObject({ status: 0, stderr: expect.stringContaining('.env:2: secret') })
    const job = await trove(checkout, { GITHUB_STEP_SUMMARY: join(root, '.cache/summary') })
    expect(job.stderr).toMatch(
      /^::warning title=Secrets in an artifact::Artifact build contains 2 secrets%0A {2}\.env:2: .*uploaded\.$/m,
    )
  })

  test('sends nothing with --fail-on-secrets', async () => {
    for (const args of [checkout, [...checkout, '--dry-run']]) {
      const refused = await trove([...args, '--fail-on-secrets'])
      expect(refused).toMatchObject({ status: 14, text: '' })
      expect(refused.stderr).toContain('nothing was sent: the upload contains 2 secrets')
    }
    expect(await trove(['ls', `${run}/build`])).toMatchObject({ status: 3 })
    const without = ['--exclude', '.git/**', '--exclude', '.env', '--fail-on-secrets']
    expect(await trove([...checkout, ...without])).toMatchObject({ status: 0 })
  })
})

describe('trove upload reports', () => {
  test('which facts of the run it ignored, because they are set once', async () => {
    const first = await trove(['upload', 'one', 'dist', '--branch', 'main', '--sha', 'abc'])
    expect(first).toMatchObject({ status: 0 })
    expect(first.stderr).not.toContain('warning')
    const same = await trove(['upload', 'two', 'dist', '--branch', 'main'])
    expect(same.stderr).not.toContain('warning')
    const other = await trove(['upload', 'three', 'dist', '--branch', 'next', '--sha', 'def'])
    expect(other).toMatchObject({ status: 0 })
    expect(other.stderr).toContain(
      `trove: warning: ignored branch next, sha def: the token or the first upload of run ${run} set branch main, sha abc\n`,
    )
  })

  test('every fact of the run that a flag names, and each that was ignored', async () => {
    const facts = {
      branch: 'topic',
      sha: 'abc',
      workflow: 'CI',
      event: 'pull_request',
      ordinal: '7',
      'pull-request': '12',
      'head-sha': 'abd',
      actor: 'mona',
    }
    const flags = (prefix: string): string[] =>
      Object.entries(facts).flatMap(([name, value]) => [`--${name}`, `${prefix}${value}`])
    expect(await trove(['upload', 'one', 'dist', ...flags('')])).toMatchObject({ status: 0 })
    const { text } = await trove(['list', '--json'])
    const [{ ordinal, pullRequest, headSha, ...told }] = JSON.parse(text) as [
      Record<string, unknown>,
    ]
    expect([ordinal, pullRequest, headSha]).toEqual([7, 12, 'abd'])
    expect(told).toMatchObject({ branch: 'topic', workflow: 'CI', actor: 'mona' })
    const other = await trove(['upload', 'two', 'dist', ...flags('1')])
    expect(other.stderr).toContain(
      'ignored branch 1topic, sha 1abc, workflow 1CI, event 1pull_request, ordinal 17, pull-request 112, head-sha 1abd, actor 1mona: ',
    )
  })

  test('paths that do not exist next to others that do', async () => {
    await makeTree(root, { ' blank ': 'b' })
    const some = await trove(['upload', 'some', 'dist', 'dits', 'nope/*.js', '!gone', ' blank '])
    expect(some.status).toBe(0)
    expect(some.stderr.match(/warning.*/g)).toEqual(['warning: dits does not exist'])
    const dry = await trove(['upload', 'some', 'dist', 'dits', '-n'])
    expect(dry.stderr).toContain('trove: warning: dits does not exist\n')
  })

  test('a summary on stderr, and with --json the result on stdout', async () => {
    const first = await trove(['upload', 'build', 'dist', '--retention-days', '7'])
    expect(first).toMatchObject({ status: 0, text: '' })
    expect(first.stderr).toMatch(
      /^build {2}3 files {2}[\d.]+ KiB {2}sent [\d.]+ (?:B|KiB) \([\d.]+ %\) {2}saved: [\d.]+ B unchanged, /m,
    )
    expect(first.stderr).toMatch(/tree sha256:[0-9a-f]{64} {2}expires \d{4}-\d\d-\d\d \(7 days\)/)
    expect(first.stderr).toContain(`${server.url}/octo/app/actions/runs/${run}/artifacts/`)
    expect(first.stderr).not.toContain('warning')
    const long = await trove(['upload', 'long', 'dist', '--retention-days', '999'])
    expect(long.stderr).toMatch(
      /\ntrove: warning: the artifact is kept for 400 days, not 999 days\n$/,
    )
    const second = await trove(['upload', 'other', 'dist', '--json'])
    const result = JSON.parse(second.text) as Record<string, unknown>
    expect(Object.keys(result)).toEqual([
      'artifactId',
      'name',
      'files',
      'logicalBytes',
      'sentBytes',
      'reusedBytes',
      'treeDigest',
      'zipDigest',
      'expiresAt',
      'url',
      'secrets',
      'hiddenPaths',
    ])
    const { logicalBytes } = result
    expect(result).toMatchObject({
      name: 'other',
      files: 3,
      sentBytes: 0,
      reusedBytes: logicalBytes,
    })
  })

  test('that an identical upload already exists', async () => {
    await trove(['upload', 'build', 'dist'])
    const again = await trove(['upload', 'build', 'dist'])
    expect(again).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('already uploaded'),
    })
  })

  test('a taken name with status 7, unless --overwrite is set', async () => {
    await trove(['upload', 'build', 'dist'])
    const refused = await trove(['upload', 'build', 'logs'])
    // Reported before anything is sent.
    expect(refused.stderr).not.toContain('sent')
    expect(refused).toMatchObject({
      status: 7,
      stderr: expect.stringMatching(/is held by artifact \d+\nhint: .*--overwrite/),
    })
    expect(await trove(['upload', 'build', 'logs', '--overwrite'])).toMatchObject({ status: 0 })
    expect(await pathsOf('build')).toEqual(['x.log'])
  })

  test('an unreadable file by name', async () => {
    const file = join(root, 'dist/a.js')
    await chmod(file, 0o000)
    const outcome = await trove(['upload', 'build', 'dist'])
    // Root can read every file.
    if (process.getuid?.() === 0) expect(outcome.status).toBe(0)
    else expect(outcome).toMatchObject({ status: 1, stderr: expect.stringContaining(file) })
  })
})

test('--compression-level and --jobs take effect, and report the accepted values', async () => {
  const sent = async (level: string): Promise<number> => {
    await makeTree(root, { 'text/t': lines(50_000 + Number(level)) })
    const args = ['upload', `level-${level}`, 'text', '--compression-level', level, '--jobs', '1']
    const { text } = await trove([...args, '--json'])
    return (JSON.parse(text) as { sentBytes: number }).sentBytes
  }
  expect(await sent('0')).toBeGreaterThan(2 * (await sent('9')))
  for (const flags of [
    ['--compression-level', '10'],
    ['--jobs', '0'],
    ['--symlinks', 'maybe'],
    ['--if-no-files-found', 'cry'],
    ['--retention-days', 'x'],
  ]) {
    const outcome = await trove(['upload', 'build', 'dist', ...flags])
    expect(outcome).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(`${flags[0]} must be`),
    })
  }
})

test.each([
  [[], /NAME is missing/],
  [['build'], /PATH is missing/],
  [['build', 'dist', '-'], /stdin cannot be uploaded; for a file called -, use \.\/-/],
  [['bad/name', 'dist'], /bad\/name/],
  [['build', 'dist', '--bogus'], /--bogus/],
])('upload %j is a usage error', async (args, message) => {
  const outcome = await trove(['upload', ...args])
  expect(outcome).toMatchObject({ status: 2, text: '', stderr: expect.stringMatching(message) })
})

test('without a home directory nothing is cached, least of all in the working directory', async () => {
  const access = { ...(await server.access()), HOME: '' }
  const before = await readdir(root)
  const outcome = await runTroveInside(
    ['upload', 'build', 'dist', '--run', String(run)],
    access,
    root,
  )
  expect(outcome.status).toBe(0)
  expect(await readdir(root)).toEqual(before)
})

describe('inside a GitHub-style job', () => {
  test('writes outputs and a summary for the job, without a flag', async () => {
    const output = join(root, 'output')
    const summary = join(root, 'summary')
    const token = await server.token({ scope: 'job', run, job: 'build', branch: 'main' })
    const job = {
      PATH: process.env['PATH'] ?? '',
      CI: 'true',
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: 'octo/app',
      GITHUB_RUN_ID: String(run),
      GITHUB_JOB: 'build',
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      ACTIONS_RESULTS_URL: `${server.url}/`,
      ACTIONS_RUNTIME_TOKEN: token,
      TROVE_CACHE_DIR: join(root, '.cache'),
    }
    const uploaded = await runTroveInside(['upload', 'build', 'dist', '--json'], job, root)
    expect(uploaded.status).toBe(0)
    const { artifactId, treeDigest, url } = JSON.parse(uploaded.text) as Record<string, string>
    expect(await readFile(output, 'utf8')).toBe(
      `artifact-id=${artifactId}\nartifact-url=${url}\nartifact-digest=\ntree-digest=${treeDigest}\n`,
    )
    expect(await readFile(summary, 'utf8')).toMatch(
      /^### Artifact build\n\n\| \| \|\n\|---\|---\|\n\| files \| 3 \|\n[\s\S]*\| page \| http/,
    )
    // One line per phase, and no bars.
    expect(uploaded.stderr).toMatch(/^hashed 3 files, .*\nsent .*\nbuild {2}3 files/)
    const back = join(root, 'back')
    const downloaded = await runTroveInside(['download', `${run}/build`, back], job, root)
    expect(downloaded.status).toBe(0)
    expect(await readFile(output, 'utf8')).toMatch(new RegExp(`\ndownload-path=${back}\n$`))
    expect(await readFile(summary, 'utf8')).toMatch(
      /### Downloaded build\n[\s\S]*3, 3 of them written/,
    )
    const archive = join(root, 'build.zip')
    expect(
      (await runTroveInside(['download', `${run}/build`, '-o', archive], job, root)).status,
    ).toBe(0)
    expect(await readFile(output, 'utf8')).toMatch(new RegExp(`\ndownload-path=${archive}\n$`))
    expect(await readFile(summary, 'utf8')).toMatch(
      new RegExp(`### Downloaded build\n[^#]*\\| to \\| ${archive} \\|\n\n$`),
    )
  })

  test.each([
    ['upload', 'build', 'dist'],
    ['download', '1/left', 'back'],
    ['download', '1/left', '-o', 'left.zip'],
  ])('%s writes its outputs even when nobody reads stdout', async (...args) => {
    const output = join(root, 'output')
    const access = {
      ...(await server.access()),
      TROVE_CACHE_DIR: join(root, '.cache'),
      GITHUB_OUTPUT: output,
    }
    await runTroveInside(['upload', 'left', 'dist', '--run', '1', '--overwrite'], access, root)
    await rm(output)
    const child = startTrove([...args, '--json'], { ...access, TROVE_RUN: String(run) }, root)
    child.stdout.destroy()
    await once(child, 'close')
    expect(child.exitCode).toBe(0)
    expect(await readFile(output, 'utf8')).toMatch(/^(artifact-id|download-path)=/)
  })

  test('outputs are written even when nobody reads stderr', async () => {
    const output = join(root, 'output')
    const access = {
      ...(await server.access()),
      TROVE_RUN: String(run),
      CI: 'true',
      GITHUB_OUTPUT: output,
    }
    const child = startTrove(['upload', 'build', 'dist'], access, root)
    child.stderr.destroy()
    await once(child, 'close')
    expect(child.exitCode).toBe(0)
    expect(await readFile(output, 'utf8')).toContain('artifact-id=')
    const taken = startTrove(['upload', 'build', 'logs'], access, root)
    taken.stderr.destroy()
    await once(taken, 'close')
    expect(taken.exitCode).toBe(7)
  })

  test('names the file of the job that it cannot write', async () => {
    const failed = await trove(['upload', 'build', 'dist'], { GITHUB_OUTPUT: '/dev/full' })
    expect(failed.status).toBe(1)
    expect(failed.stderr).toMatch(/^trove: \/dev\/full cannot be written: ENOSPC/m)
  })

  test('reports an unreachable server while retrying', async () => {
    const access = {
      TROVE_URL: 'http://127.0.0.1:1',
      TROVE_TOKEN: await server.token(),
      TROVE_RUN: '1',
    }
    const child = startTrove(
      ['upload', 'build', 'dist'],
      { ...access, TROVE_PROJECT: 'octo/app' },
      root,
    )
    let told = ''
    child.stderr.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    const wanted =
      'trove: http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1; retrying\n'
    await expect.poll(() => told, { timeout: 20_000 }).toContain(wanted)
    child.kill('SIGINT')
    await once(child, 'close')
    expect(child.exitCode).toBe(130)
    expect(told).toMatch(/\ntrove: interrupted; the same command continues with .*\n$/)
  })

  test('the facts of its run are read from the variables of the job', async () => {
    const event = join(root, 'event.json')
    await writeFile(event, '{"pull_request":{"number":34,"head":{"sha":"head"}}}')
    const job = {
      GITHUB_EVENT_NAME: 'pull_request_target',
      GITHUB_EVENT_PATH: event,
      GITHUB_RUN_NUMBER: '12',
      GITHUB_ACTOR: 'octocat',
    }
    expect(await trove(['upload', 'told', 'dist'], job)).toMatchObject({ status: 0 })
    const narrowing = ['--name', 'told', '--pull-request', '34', '--actor', 'OctoCat']
    const { text } = await trove(['list', ...narrowing, '--json'])
    const facts = { ordinal: 12, pullRequest: 34, headSha: 'head', actor: 'octocat' }
    expect(JSON.parse(text)).toMatchObject([{ event: 'pull_request_target', ...facts }])
    for (const others of [
      ['--pull-request', '35'],
      ['--actor', 'octo'],
    ])
      expect((await trove(['list', ...narrowing, ...others, '--json'])).text).toBe('[]\n')
  })

  test('project and run come from the token; flags and variables override it', async () => {
    const access = await server.access({ scope: 'job', run, job: 'build' })
    const job = { ...access, TROVE_RUN: '' }
    expect(await trove(['upload', 'build', 'dist'], job)).toMatchObject({ status: 0 })
    expect(await pathsOf('build')).toEqual(['a.js', 'a.js.map', 'sub/b.js'])
    const other = await trove(['upload', 'build', 'dist', '--run', '7'], job)
    expect(other).toMatchObject({ status: 6, stderr: expect.stringContaining('token of that run') })
    const elsewhere = await trove(['upload', 'b', 'dist'], { ...job, TROVE_PROJECT: 'octo/none' })
    expect(elsewhere.status).toBe(3)
  })
})
