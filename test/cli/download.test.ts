/** `trove download` as scripts use it. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startFlakyProxy } from '../client/flaky-proxy.ts'
import { listen } from '../client/listen.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from '../client/tree.ts'
import { tarOf } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'
import { runInTerminal } from './in-terminal.ts'
import { runTroveInside } from './run-inside.ts'
import { mainProgram, type Outcome, runTrove } from './run-trove.ts'

const noise = pseudoRandom(700_000, 'noise')

const server = await openSharedServer()
let id: number
let root: string
beforeAll(async () => {
  const put = async (name: string, files: Parameters<typeof tarOf>[0]): Promise<number> =>
    await server.put(`42/${name}?branch=main`, {
      tar: files,
    })
  id = await put('build', [
    { name: 'bin/tool', content: noise, mode: 0o755 },
    { name: 'bin/sub/x', content: 'x' },
    { name: 'VERSION', content: '1.2.3\n' },
    { name: 'link', type: 'symlink', linkname: 'VERSION' },
  ])
  await put('logs-a', [
    { name: 'a.log', content: 'a' },
    { name: 'both', content: 'of a' },
  ])
  await put('logs-b', [
    { name: 'b.log', content: 'b' },
    { name: 'both', content: 'of b' },
  ])
})
beforeEach(async () => {
  root = await makeDirectory()
})

async function trove(args: string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const access = {
    TROVE_URL: server.url,
    TROVE_TOKEN: await server.token(),
    TROVE_CACHE_DIR: join(root, '.cache'),
  }
  return await runTroveInside(args, { ...access, ...environment }, root)
}

/** In a process of its own, in which no symlink can be created. */
async function withoutSymlinks(args: string[]): Promise<Outcome> {
  const script = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    fs.symlinkSync = () => {
      throw Object.assign(new Error('EPERM'), { code: 'EPERM', syscall: 'symlink' })
    }
    syncBuiltinESMExports()`
  const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
  const options = `--import=data:text/javascript,${encodeURIComponent(script)}`
  return await runTrove(
    args,
    { ...access, TROVE_CACHE_DIR: join(root, '.cache'), NODE_OPTIONS: options },
    root,
  )
}

async function pathsIn(directory: string): Promise<string[]> {
  return Object.keys(await describeTree(join(root, directory))).toSorted()
}

describe('trove download', () => {
  test('makes DEST match the artifact, and writes nothing the second time', async () => {
    const first = await trove(['download', '42/build', 'dist'])
    expect(first).toMatchObject({ status: 0, text: '' })
    expect(first.stderr).toMatch(/^build {2}3 of 3 files written, 6\d\d\.\d KiB received for /)
    expect(await describeTree(join(root, 'dist'))).toMatchObject({
      bin: 'directory 755',
      'bin/tool': expect.stringMatching(/^file 755/),
      link: 'link to VERSION',
    })
    const again = await trove(['download', 'latest:main/build', 'dist', '--json'])
    expect(JSON.parse(again.text)).toMatchObject({
      artifactId: id,
      name: 'build',
      files: 3,
      logicalBytes: 700_007,
      writtenFiles: 0,
      fetchedBytes: 0,
      deletedPaths: 0,
      destination: join(root, 'dist'),
    })
  })

  test('a name alone is an artifact of the run of the job', async () => {
    const job = await trove(['download', 'build', 'd'], { GITHUB_RUN_ID: '42' })
    expect(job).toMatchObject({ status: 0 })
    expect(await pathsIn('d')).toContain('VERSION')
    expect(await trove(['download', 'build', 'd'], { GITHUB_RUN_ID: '43' })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('there is no artifact 43/build\n') as string,
    })
    // The token of this test is of no run.
    expect(await trove(['download', 'build', 'd'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        '"build" names no run: write RUN/build, latest:BRANCH/build or id:123, or set TROVE_RUN\n',
      ) as string,
    })
  })

  test('uses the working directory when DEST is omitted', async () => {
    await trove(['download', `id:${id}`, '--path', 'VERSION'])
    expect(await readFile(join(root, 'VERSION'), 'utf8')).toBe('1.2.3\n')
  })

  test('--path downloads entries that match any of several globs', async () => {
    await trove(['download', '42/build', 'd', '--path', 'bin/*', '--path', 'V*'])
    expect(await pathsIn('d')).toEqual(['VERSION', 'bin', 'bin/tool'])
  })

  test('--path that names a directory downloads all below it, also into an archive', async () => {
    await trove(['download', '42/build', 'd', '--path', 'bin'])
    expect(await pathsIn('d')).toEqual(['bin', 'bin/sub', 'bin/sub/x', 'bin/tool'])
    await trove(['download', '42/build', '-o', 'part.zip', '--path', 'bin', '--path', 'x'])
    const packed = execFileSync('unzip', ['-Z1', 'part.zip'], { cwd: root }).toString()
    expect(packed.split('\n')).toContain('bin/tool')
  })

  test('--path that matches nothing fails and makes no directory', async () => {
    const none = await trove(['download', '42/build', 'none', '--path', 'bin/*.js', '--path', 'x'])
    expect(existsSync(join(root, 'none'))).toBe(false)
    expect(none).toMatchObject({
      status: 12,
      stderr: expect.stringContaining(
        'trove: no path in the artifact matches bin/*.js, x\n',
      ) as string,
    })
    expect(await trove(['download', '42/build', 'none', '--path', 'link'])).toMatchObject({
      status: 0,
    })
  })

  test('--delete -n lists what would be written and deleted, and does neither', async () => {
    await makeTree(root, { 'd/VERSION': '1.2.3\n', 'd/old/x': 'o', 'd/stray': 's' })
    const args = ['download', '42/build', 'd', '--delete']
    const before = await describeTree(join(root, 'd'))
    const dry = await trove([...args, '-n'])
    expect(dry.status).toBe(0)
    expect(dry.text.trim().split('\n').toSorted()).toEqual(
      [
        `delete ${join(root, 'd/old')}`,
        `delete ${join(root, 'd/stray')}`,
        `write ${join(root, 'd/bin/sub/x')}`,
        `write ${join(root, 'd/bin/tool')}`,
      ].toSorted(),
    )
    expect(dry.stderr).toMatch(/2 of 3 files would be written, 2 would be deleted/)
    expect(await describeTree(join(root, 'd'))).toEqual(before)
    const done = await trove([...args, '--json'])
    expect(JSON.parse(done.text)).toMatchObject({ writtenFiles: 2, deletedPaths: 2 })
    expect(await pathsIn('d')).toEqual([
      'VERSION',
      'bin',
      'bin/sub',
      'bin/sub/x',
      'bin/tool',
      'link',
    ])
  })

  test.each(['.git', 'bin/.git', 'extra/clone/.git'])(
    '--delete removes no Git repository: %s',
    async (repository) => {
      await makeTree(root, { [`d/${repository}/HEAD`]: 'ref: refs/heads/main', 'd/stray': 's' })
      const before = await describeTree(join(root, 'd'))
      for (const extra of [[], ['-n']]) {
        expect(await trove(['download', '42/build', 'd', '--delete', ...extra])).toMatchObject({
          status: 1,
          stderr: expect.stringContaining(
            `${join(root, 'd', repository)} is a Git repository, which --delete would remove`,
          ) as string,
        })
      }
      expect(await describeTree(join(root, 'd'))).toEqual(before)
      expect((await trove(['download', '42/build', 'd'])).status).toBe(0)
    },
  )

  test('a dry run does not create DEST', async () => {
    const { text } = await trove(['download', '42/build', 'new', '-n', '--json'])
    expect(JSON.parse(text)).toMatchObject({
      writtenFiles: 3,
      planned: { write: ['VERSION', 'bin/sub/x', 'bin/tool'], delete: [] },
    })
    expect(await readdir(root)).not.toContain('new')
  })

  test('without symlinks in DEST there is a hint, and --symlinks skip leaves them out', async () => {
    expect(await withoutSymlinks(['download', '42/build', 'd'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        `${join(root, 'd/link')} cannot be created: symlinks are not supported there, or not permitted\n` +
          'hint: Leave symlinks out with --symlinks skip.\n',
      ) as string,
    })
    const skipping = ['download', '42/build', 'd', '--symlinks', 'skip']
    const { text, stderr } = await withoutSymlinks([...skipping, '--json'])
    expect(JSON.parse(text)).toMatchObject({ entries: 3, writtenFiles: 3, skippedSymlinks: 1 })
    expect(stderr).toMatch(/3 of 3 files written, 1 symlink skipped, /)
    expect(await pathsIn('d')).toEqual(['VERSION', 'bin', 'bin/sub', 'bin/sub/x', 'bin/tool'])
    expect((await withoutSymlinks([...skipping, '--path', 'link'])).status).toBe(0)
    expect((await withoutSymlinks(skipping)).stderr).toMatch(
      /^build {2}0 of 3 files written, 1 symlink/m,
    )
  })

  test('a DEST that is a file is named in the error', async () => {
    await writeFile(join(root, 'file'), '')
    const outcome = await trove(['download', '42/build', 'file'])
    // Errors that the user can fix are reported without a stack.
    expect(outcome).toMatchObject({
      status: 1,
      stderr: `trove: ${join(root, 'file')} is not a directory\n`,
    })
  })

  test('a DEST that cannot be created is an error, where Node would retry forever', async () => {
    expect(await trove(['download', '42/build', '/proc/dist'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^trove: \/proc\/dist cannot be created: ENOENT/),
    })
  })

  test('a symlink at DEST itself is followed; one below DEST is not', async () => {
    await mkdir(join(root, 'real'))
    await mkdir(join(root, 'outside'))
    await symlink('real', join(root, 'dest'))
    await symlink('../outside', join(root, 'real/bin'))
    expect((await trove(['download', '42/build', 'dest'])).status).toBe(0)
    expect(await readdir(join(root, 'outside'))).toEqual([])
    expect(await pathsIn('real')).toContain('bin/tool')
  })
})

describe('trove download --pattern', () => {
  test('downloads each artifact of the run into its own directory, or all into DEST with --merge-multiple', async () => {
    const { status, text } = await trove([
      'download',
      '--run',
      '42',
      '--pattern',
      'logs-*',
      'l',
      '--json',
    ])
    expect(status).toBe(0)
    expect((JSON.parse(text) as { name: string }[]).map(({ name }) => name).toSorted()).toEqual([
      'logs-a',
      'logs-b',
    ])
    expect(await pathsIn('l')).toEqual([
      'logs-a',
      'logs-a/a.log',
      'logs-a/both',
      'logs-b',
      'logs-b/b.log',
      'logs-b/both',
    ])
    const output = join(root, 'output')
    const merging = await trove(['download', '--pattern', 'logs-*', 'm', '--merge-multiple'], {
      TROVE_RUN: '42',
      GITHUB_OUTPUT: output,
    })
    expect(merging.stderr).toContain(
      "1 path differs between the artifacts, and the newest artifact's stays: both\n",
    )
    expect(await pathsIn('m')).toEqual(['a.log', 'b.log', 'both'])
    // The one that was uploaded last.
    expect(await readFile(join(root, 'm/both'), 'utf8')).toBe('of b')
    expect(await readFile(output, 'utf8')).toBe(`download-path=${join(root, 'm')}\n`)
  })

  test('does not write through a symlink in the place of a directory', async () => {
    await makeTree(root, { 'l/logs-b': '-> ../outside', outside: null })
    const outcome = await trove(['download', '--run', '42', '--pattern', 'logs-*', 'l'])
    expect(outcome).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`${join(root, 'l/logs-b')} is a symlink`) as string,
    })
    expect(await readdir(join(root, 'outside'))).toEqual([])
  })

  test('and archives stay inside DEST, whatever name a server sends', async () => {
    const lying = createServer((request, response) => {
      const artifact = { id: 1, name: '..', treeDigest: `sha256:${'0'.repeat(64)}` }
      const list = { items: [artifact], nextCursor: null, total: 1 }
      const isList = request.url?.includes('/artifacts?') === true
      response.end(JSON.stringify(isList ? list : artifact))
    })
    const TROVE_URL = await listen(lying)
    const stderr = expect.stringContaining('invalid artifact name ".."') as string
    for (const words of [
      ['--run', '1', '--pattern', '*', 'l'],
      ['id:1', '--format', 'zip'],
    ])
      expect(await trove(['download', ...words], { TROVE_URL })).toMatchObject({
        status: 2,
        stderr,
      })
  })

  test('that matches nothing exits with 3', async () => {
    const outcome = await trove(['download', '--run', '42', '--pattern', 'none-*', 'l'])
    expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining('42/none-*') })
  })
})

describe('trove download as an archive', () => {
  test('writes a zip or tar.gz that other programs read, to a file or stdout', async () => {
    expect((await trove(['download', '42/build', '-o', 'b.zip'])).status).toBe(0)
    expect(execFileSync('unzip', ['-p', 'b.zip', 'VERSION'], { cwd: root }).toString()).toBe(
      '1.2.3\n',
    )
    const saved = await trove(['download', '42/build', '--format', 'tar.gz', '--json'])
    expect(JSON.parse(saved.text)).toMatchObject({
      format: 'tar.gz',
      file: join(root, 'build.tar.gz'),
    })
    const short = await trove(['download', '42/build', '-o', 'b.tgz', '--json'])
    expect(JSON.parse(short.text)).toMatchObject({ format: 'tar.gz', file: join(root, 'b.tgz') })
    const { stdout, stderr } = await trove([
      'download',
      '42/build',
      '--format',
      'tar.gz',
      '-o',
      '-',
    ])
    expect(stdout.equals(await readFile(join(root, 'build.tar.gz')))).toBe(true)
    expect(stderr).toBe('')
    const listed = execFileSync('tar', ['tz'], { input: stdout }).toString().trim().split('\n')
    expect(listed).toEqual(['VERSION', 'bin/sub/x', 'bin/tool', 'link'])
    expect((await readdir(root)).filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  test('is not written to a terminal', async () => {
    const command = [process.execPath, mainProgram, 'download', '42/build', '--format', 'zip']
    const access = { TROVE_URL: server.url, TROVE_TOKEN: await server.token() }
    const { status, screen } = await runInTerminal([...command, '-o', '-'], [], access)
    expect({ status, screen }).toMatchObject({ status: 2 })
    expect(screen).toContain('stdout is a terminal: send the archive to a file or a program')
  })

  test('that cannot be written is named in the error', async () => {
    expect(await trove(['download', '42/build', '-o', 'none/build.zip'])).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /^trove: \S+none\/build\.zip cannot be written: its directory does not exist\n$/,
      ) as string,
    })
  })

  test('contains entries that match any of several --path', async () => {
    // No file is called "bin,link", and one is called "link".
    const paths = ['V*', 'bin/sub/*', 'bin,link'].flatMap((glob) => ['--path', glob])
    await trove(['download', '42/build', '-o', 'p.zip', ...paths])
    const listed = execFileSync('unzip', ['-Z1', 'p.zip'], { cwd: root })
      .toString()
      .trim()
      .split('\n')
    expect(listed).toEqual(['VERSION', 'bin/sub/x'])
  })

  test('is not written when no path matches', async () => {
    const args = ['download', '42/build', '-o', 'nothing.zip', '--path', 'nope/**']
    expect(await trove(args)).toMatchObject({
      status: 12,
      stderr: expect.stringContaining('nope/**') as string,
    })
    await expect(readFile(join(root, 'nothing.zip'))).rejects.toThrow('ENOENT')
  })

  // A proxy that buffers what it passes on announces the length of what it has.
  test('that a proxy cuts short is not saved', async () => {
    const proxy = createServer((incoming, outgoing) => {
      const { host: _, ...headers } = incoming.headers as Record<string, string>
      if (headers['if-range'] !== undefined) {
        outgoing.writeHead(403).end()
        return
      }
      void fetch(`${server.url}${incoming.url}`, { headers }).then(async (answer) => {
        const body = Buffer.from(await answer.arrayBuffer())
        const sent = incoming.url?.includes('archive.') === true ? body.subarray(0, 100) : body
        const length = { 'content-length': sent.length }
        outgoing.writeHead(answer.status, { ...Object.fromEntries(answer.headers), ...length })
        outgoing.end(sent)
      })
    })
    const url = await listen(proxy)
    for (const format of ['zip', 'tar.gz']) {
      const args = ['download', '42/build', '-o', `short.${format}`]
      expect(await trove(args, { TROVE_URL: url })).toMatchObject({ status: 6 })
    }
    expect((await readdir(root)).filter((name) => name !== '.cache')).toEqual([])
  })

  test('resumes where a connection broke', async () => {
    await server.put('43/large', {
      tar: [{ name: 'noise', content: pseudoRandom(4_000_000, 'large') }],
    })
    const proxy = await startFlakyProxy(server.url)
    const cuts = [800_000, 1_200_000, 1_000_000]
    await trove(['download', '43/large', '-o', 'whole.zip'])
    // The first connection looks the artifact up; later ones are cut in the middle of the archive.
    proxy.cutNext(3, () => cuts.pop() ?? Number.POSITIVE_INFINITY, 'close')
    const outcome = await trove(['download', '43/large', '-o', 'cut.zip'], { TROVE_URL: proxy.url })
    expect(outcome.status).toBe(0)
    expect(cuts).toEqual([])
    const [whole, cut] = await Promise.all(
      ['whole.zip', 'cut.zip'].map((name) => readFile(join(root, name))),
    )
    expect(cut!.equals(whole!)).toBe(true)
    // Starting over would take 1.75 times the archive.
    expect(proxy.receivedBytes()).toBeLessThan(1.05 * whole!.length)
  })
})

test.each([
  [['download'], /REF \(or --pattern GLOB\) is missing/],
  [['download', '42/build', 'a', 'b'], /unexpected argument "b"/],
  [['download', '42/build', '--format', 'rar'], /--format must be/],
  [['download', '42/build', '-o', '-'], /--output writes an archive/],
  [
    ['download', '42/build', 'dest', '--format', 'zip'],
    /an archive has no DEST: name the file with --output/,
  ],
  [['download', '42/build', '-o', 'x.zip', '--delete'], /--delete works only with --format dir/],
  [['download', '42/build', '--delete', '--path', 'x'], /--delete and --path cannot be combined/],
  [['download', '42/build', '--delete', '--symlinks', 'skip'], /skip cannot be combined/],
  [['download', '42/build', '--symlinks', 'follow'], /--symlinks .*keep.*skip/],
  [['download', '42/build', '--symlinks', 'skip', '-o', 'a.zip'], /only with --format dir/],
  [['download', '42/build', '--merge-multiple'], /--merge-multiple needs --pattern/],
  [['download', '42/build', '-'], /use -o - to write an archive to stdout/],
  [['download', '--pattern', '*'], /the run is missing/],
  [
    ['download', '42/build', '--run', '42', '--pattern', '*'],
    /--pattern replaces REF.*\.\/42\/build/,
  ],
  [['download', '@42', '--pattern', '*'], /--pattern replaces REF/],
  [['download', '42', 'dest'], /42 is a whole run: use --run 42 --pattern '\*'/],
  [['download', '@42', 'dest'], /use --run 42 --pattern '\*'/],
  [['download', '42/build:bin', 'dest'], /select with --path GLOB/],
  [['download', '42/build:bin', '-o', 'x.zip'], /select with --path GLOB/],
  [
    ['download', '--pattern', '*', '--run', '42', '--delete', '--merge-multiple'],
    /cannot be combined/,
  ],
  [['download', '42/build', '--path', '@(a|b)'], /path pattern/],
])('%j is a usage error', async (args, message) => {
  const outcome = await trove(args)
  expect(outcome).toMatchObject({ status: 2, text: '', stderr: expect.stringMatching(message) })
})

test('deleted and unknown artifacts have different exit statuses', async () => {
  const dead = await server.put('60/dead')
  await server.send(`/api/v1/artifacts/${dead}`, { method: 'DELETE' })
  expect((await trove(['download', '60/dead', 'd'])).status).toBe(4)
  expect((await trove(['download', '60/none', 'd'])).status).toBe(3)
  expect((await trove(['download', '60/dead', '-o', 'd.zip'])).status).toBe(4)
  expect(await readdir(root)).not.toContain('d.zip')
})
