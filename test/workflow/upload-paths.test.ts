import { execFile } from 'node:child_process'
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGlobber, type Globber } from '../../src/workflow/glob/glob.ts'
import { absolutePatterns } from '../../src/workflow/glob/glob-patterns.ts'
import { uploadFiles } from '../../src/workflow/actions/upload-paths.ts'
import { makeDirectory } from '../client/tree.ts'

const run = promisify(execFile)

const noAbort = new AbortController().signal
const root = await makeDirectory()
let globber: Globber

beforeAll(async () => {
  globber = createGlobber()
})
afterAll(async () => await globber.close())

let places = 0
/** Creates the files in a new workspace and returns the sorted entry paths of an upload. */
async function entries(
  files: string[],
  patterns: string,
  options: { includeHidden?: boolean; home?: string } = {},
): Promise<string[]> {
  const directory = join(root, `workspace [${places++}]`)
  for (const file of files) {
    await mkdir(dirname(join(directory, file)), { recursive: true })
    await writeFile(join(directory, file), file)
  }
  const home = options.home === undefined ? undefined : join(directory, options.home)
  const search = await globber.search(
    patterns.replaceAll('WORKSPACE', directory.replace('[', '[[]')),
    {
      directory,
      home,
      includeHidden: options.includeHidden ?? false,
    },
    noAbort,
  )
  return uploadFiles(search)
    .map((file) => file.entryPath)
    .toSorted()
}

// Every path example in the README of actions/upload-artifact, under its heading there.

test('Upload an Individual File: the file alone, without its directories', async () => {
  const files = ['path/to/artifact/world.txt', 'path/to/artifact/other.txt']
  expect(await entries(files, 'path/to/artifact/world.txt')).toEqual(['world.txt'])
})

test('Upload an Entire Directory: its contents, with or without a trailing slash', async () => {
  const files = ['path/to/artifact/world.txt', 'path/to/artifact/sub/deep.txt', 'path/to/not.txt']
  expect(await entries(files, 'path/to/artifact/')).toEqual(['sub/deep.txt', 'world.txt'])
  expect(await entries(files, 'path/to/artifact')).toEqual(['sub/deep.txt', 'world.txt'])
})

test('Upload using a Wildcard Pattern: paths start at the first wildcard', async () => {
  const files = [
    'path/x/y/artifact/1.txt',
    'path/brtifacX/2.txt',
    'path/z/crtifact/sub/3.txt',
    'path/drtifact/4.txt',
  ]
  expect(await entries(files, 'path/**/[abc]rtifac?/*')).toEqual([
    'brtifacX/2.txt',
    'x/y/artifact/1.txt',
    'z/crtifact/sub/3.txt',
  ])
})

test('Upload using Multiple Paths and Exclusions: relative to the least common ancestor, which excludes do not affect', async () => {
  const files = [
    'path/output/bin/app',
    'path/output/bin/app.tmp',
    'path/output/test-results/a.xml',
    'path/output/other.txt',
  ]
  const patterns = 'path/output/bin/\npath/output/test-results\n!path/**/*.tmp'
  expect(await entries(files, patterns)).toEqual(['bin/app', 'test-results/a.xml'])
})

test('the hierarchy is preserved after the first wildcard', async () => {
  const files = [
    'path/to/some/directory/foo1.txt',
    'path/to/some/directory/foo2.txt',
    'path/to/other/directory/foo1.txt',
    'path/to/other/directory/bar.txt',
  ]
  expect(await entries(files, 'path/to/*/directory/foo?.txt')).toEqual([
    'other/directory/foo1.txt',
    'some/directory/foo1.txt',
    'some/directory/foo2.txt',
  ])
})

test('Environment Variables and Tilde Expansion: ~ is the home directory, and absolute paths work like relative ones', async () => {
  const files = ['home/new/artifact/world.txt', 'home/new/top.txt', 'artifact/world.txt']
  expect(await entries(files, '~/new/**/*', { home: 'home' })).toEqual([
    'artifact/world.txt',
    'top.txt',
  ])
  expect(await entries(files, 'WORKSPACE/artifact/**/*')).toEqual(['world.txt'])
  await expect(entries(files, '~/new')).rejects.toThrow('HOME is not set')
})

test('Uploading Hidden Files: excluded by default, and when included some can be excluded', async () => {
  const files = [
    'path/output/a.txt',
    'path/output/.production.env',
    'path/output/.config/x',
    'path/output/.dev.env',
  ]
  expect(await entries(files, 'path/output/')).toEqual(['a.txt'])
  const patterns = 'path/output/\n!path/output/.production.env'
  expect(await entries(files, patterns, { includeHidden: true })).toEqual([
    '.config/x',
    '.dev.env',
    'a.txt',
  ])
})

// Rules that the README states without an example, and corner cases.

test('two files in different directories keep the paths that distinguish them', async () => {
  expect(await entries(['a/b/one.txt', 'a/c/d/two.txt'], 'a/b/one.txt\na/c/d/two.txt')).toEqual([
    'b/one.txt',
    'c/d/two.txt',
  ])
  expect(await entries(['one.txt', 'two.txt'], 'one.txt\ntwo.txt')).toEqual(['one.txt', 'two.txt'])
})

test('a single file found by a wildcard keeps its path', async () => {
  expect(await entries(['a/b/one.txt'], 'a/*/one.txt')).toEqual(['b/one.txt'])
})

test('a path below another one does not affect the root', async () => {
  expect(await entries(['a/b/one.txt', 'a/two.txt'], 'a\na/b')).toEqual(['b/one.txt', 'two.txt'])
})

test('a path that matches nothing still affects the root', async () => {
  expect(await entries(['a/b/one.txt'], 'a/b/one.txt\na/none')).toEqual(['b/one.txt'])
})

test('directories are not entries, so empty ones disappear', async () => {
  const directory = join(root, 'with-empty')
  await mkdir(join(directory, 'a/empty'), { recursive: true })
  await writeFile(join(directory, 'a/file'), '')
  const search = await globber.search(
    'a',
    { directory, home: undefined, includeHidden: false },
    noAbort,
  )
  expect(uploadFiles(search).map((file) => file.entryPath)).toEqual(['file'])
})

test('symlinks are followed, and dangling ones are skipped', async () => {
  const directory = join(root, 'with-links')
  await mkdir(join(directory, 'real/sub'), { recursive: true })
  await writeFile(join(directory, 'real/sub/file'), 'x')
  await mkdir(join(directory, 'out'))
  await symlink('../real/sub', join(directory, 'out/linked'))
  await symlink('../real/sub/file', join(directory, 'out/file'))
  await symlink('nowhere', join(directory, 'out/dangling'))
  const search = await globber.search(
    'out',
    { directory, home: undefined, includeHidden: false },
    noAbort,
  )
  expect(
    uploadFiles(search)
      .map((file) => file.entryPath)
      .toSorted(),
  ).toEqual(['file', 'linked/file'])
})

test('paths with .. are rejected, as are characters that not every file system allows', async () => {
  await expect(entries(['a.txt'], '../a.txt')).rejects.toThrow(
    "Relative pathing '.' and '..' is not allowed",
  )
  await expect(entries(['d/a:b.txt'], 'd')).rejects.toThrow(
    'Cannot upload the path "a:b.txt": it contains a colon',
  )
  await expect(entries([], '# only a comment\n\n')).resolves.toEqual([])
})

test('patterns become absolute and keep the meaning of their special characters', () => {
  const roots = { directory: '/w [1]/*', home: '/h' }
  expect(absolutePatterns('a/*.txt\n! ~/b\n.\n./c\n/d\n#x\n\n!!e', roots).split('\n')).toEqual([
    '/w [[]1]/[*]/a/*.txt',
    '!/h/b',
    '/w [[]1]/[*]',
    '/w [[]1]/[*]/c',
    '/d',
    '!!/w [[]1]/[*]/e',
  ])
})

test('hashFiles agrees with the runner: search order, only files of the workspace, and empty when nothing matches', async () => {
  const directory = join(root, 'hashed')
  await mkdir(join(directory, 'sub'), { recursive: true })
  await writeFile(join(directory, 'package-lock.json'), 'one')
  // The second is longer than what is read at once.
  const two = Buffer.alloc(2 ** 21, 'two')
  await writeFile(join(directory, 'sub/package-lock.json'), two)
  const roots = { directory, home: undefined }
  const { createHash } = await import('node:crypto')
  const sha = (bytes: string | Buffer): Buffer => createHash('sha256').update(bytes).digest()
  const both = createHash('sha256').update(sha('one')).update(sha(two)).digest('hex')
  expect(await globber.hashFiles(['**/package-lock.json'], roots, noAbort)).toBe(both)
  expect(
    await globber.hashFiles(['--follow-symbolic-links', '**/package-lock.json'], roots, noAbort),
  ).toBe(both)
  expect(await globber.hashFiles(['**/none'], roots, noAbort)).toBe('')
  expect(await globber.hashFiles(['/etc/hostname'], roots, noAbort)).toBe('')
})

test('a pipe among the matches is rejected by name instead of blocking, and other pipes are ignored', async () => {
  const directory = join(root, 'with-pipe')
  await mkdir(join(directory, 'out'), { recursive: true })
  await writeFile(join(directory, 'out/file'), 'x')
  await run('mkfifo', [join(directory, 'out/pipe')])
  await symlink('/dev/zero', join(directory, 'endless'))
  const roots = { directory, home: undefined, includeHidden: false }
  const fault = `${directory}/out/pipe is a pipe, not a regular file`
  await expect(globber.search('out', roots, noAbort)).rejects.toThrow(fault)
  await expect(globber.hashFiles(['out/*'], roots, noAbort)).rejects.toThrow(fault)
  const endless = ['--follow-symbolic-links', 'endless']
  await expect(globber.hashFiles(endless, roots, noAbort)).rejects.toThrow('endless is a device')
  expect((await globber.search('out/f*', roots, noAbort)).files).toEqual([`${directory}/out/file`])
})

test('hashing can be cancelled, however long the file is', async () => {
  const directory = join(root, 'long')
  await mkdir(directory)
  await writeFile(join(directory, 'file'), '')
  // A sparse file: it takes no disk space, but an hour to read.
  await truncate(join(directory, 'file'), 2 ** 41)
  const stop = new AbortController()
  const hash = globber.hashFiles(['file'], { directory, home: undefined }, stop.signal)
  setTimeout(() => stop.abort(), 50)
  await expect(hash).rejects.toThrow('aborted')
})

test('files whose names are not UTF-8 are reported when they match', async () => {
  const directory = join(root, 'latin')
  await mkdir(join(directory, 'out/sub'), { recursive: true })
  await writeFile(join(directory, 'out/sub/plain'), '')
  const latin = (path: string): Buffer => Buffer.from(`${directory}/${path}`, 'latin1')
  await writeFile(latin('out/sub/caf\xe9.txt'), '')
  await mkdir(latin('out/d\xff'))
  const roots = { directory, home: undefined, includeHidden: false }
  const unreadable = async (patterns: string): Promise<string[]> =>
    (await globber.search(patterns, roots, noAbort)).unreadable.toSorted()
  const both = [`${directory}/out/d\ufffd`, `${directory}/out/sub/caf\ufffd.txt`]
  expect(await unreadable('out')).toEqual(both)
  expect(await unreadable('out/sub/*.txt')).toEqual(both.slice(1))
  expect(await unreadable('out/sub/p*')).toEqual([])
  // What another operation has come across is not reported by the next search.
  const hashed = ['--follow-symbolic-links', '**/none']
  expect(await globber.hashFiles(hashed, roots, noAbort)).toBe('')
  expect(await unreadable('out/sub/p*')).toEqual([])
})
