/** What an upload selects, compared with GitHub's own package for patterns. */
import { create } from '@actions/glob'
import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { comparePaths } from '../../src/core/manifest/entry.ts'
import { limits } from '../../src/core/limits.ts'
import { createGrowingTree } from '../../src/client/upload/growing-tree.ts'
import type { SourceTree } from '../../src/client/upload/source-tree.ts'
import { walkSources } from '../../src/client/upload/walk.ts'
import { makeDirectory } from './tree.ts'
import { turns } from '../turns.ts'

async function walk(
  directory: string,
  patterns: string[],
  more: Partial<Parameters<typeof walkSources>[1]> = {},
): Promise<SourceTree> {
  const options = {
    directory,
    includeHidden: false,
    symlinks: 'keep',
    exclude: [],
    ...more,
  } as const
  return await walkSources(patterns, options)
}

describe('patterns', () => {
  test('select the files that @actions/glob selects', async () => {
    const root = await makeDirectory({
      'a/b/c.js': '',
      'a/b/d.ts': '',
      'a/b.js': '',
      'a-b/c.js': '',
      'a/[x]/c.js': '',
      '.h/c.js': '',
      'a/.c.js': '',
      'c.js': '',
    })
    const segment = fc.constantFrom(
      'a',
      'b',
      'a-b',
      '*',
      '**',
      '?',
      '*.js',
      'c.*',
      '[ab]',
      '[[]x]',
      '.h',
    )
    const pattern = fc
      .tuple(
        fc.constantFrom('', '', '!'),
        fc.array(segment, { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '/'),
      )
      .map(([mark, segments, end]) => `${mark}${root}/${segments.join('/')}${end}`)
    const lists = fc.tuple(
      fc.constant(`${root}/*`),
      fc.array(pattern, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
    )
    // It prints a line for each step.
    const silenced = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    try {
      await fc.assert(
        fc.asyncProperty(lists, async ([first, others, hidden]) => {
          const patterns = [first, ...others]
          const globber = await create(patterns.join('\n'), {
            followSymbolicLinks: false,
            matchDirectories: false,
            excludeHiddenFiles: !hidden,
          })
          const expected = (await globber.glob()).toSorted(comparePaths)
          const tree = await walk(root, patterns, { includeHidden: hidden })
          const files = [...tree.paths.keys()].filter((ordinal) => tree.kind(ordinal) === 'file')
          expect(files.map((ordinal) => tree.sourceOf(ordinal)).toSorted(comparePaths)).toEqual(
            expected,
          )
        }),
        { numRuns: turns(150) },
      )
    } finally {
      silenced.mockRestore()
    }
  })

  test.each([
    ['one directory means its contents', ['dist'], ['a.js', 'sub/b.js']],
    ['one file means its name', ['dist/a.js'], ['a.js']],
    [
      'several paths are relative to their least common ancestor',
      ['dist/sub', 'dist/a.js'],
      ['a.js', 'sub/b.js'],
    ],
    [
      'a glob is relative to the part before its first wildcard',
      ['dist/**/*.js'],
      ['a.js', 'sub/b.js'],
    ],
    ['exclusions do not affect the root', ['dist', '!dist/sub'], ['a.js']],
  ])('%s', async (_rule, patterns, paths) => {
    const root = await makeDirectory({ 'dist/a.js': '', 'dist/sub/b.js': '', 'other/x': '' })
    expect((await walk(root, patterns)).paths).toEqual(paths)
  })

  test.each([
    { patterns: ['**', '!x'], paths: ['d', 'd/e', 'd/f'] },
    { patterns: ['d/*'], paths: ['e', 'f'] },
    { patterns: ['d', 'x', '!x/y/**'], paths: ['d', 'd/e', 'd/f', 'x'] },
  ])('$patterns select directories that are empty or have an unusual mode', async (one) => {
    const root = await makeDirectory({ 'd/e': null, 'd/f': '', 'x/y': null })
    await chmod(join(root, 'd'), 0o700)
    expect((await walk(root, one.patterns)).paths).toEqual(one.paths)
  })

  test('an existing name with wildcards means that file', async () => {
    const root = await makeDirectory({ 'pages/[id].js': '', 'pages/i.js': '' })
    expect((await walk(root, ['pages/[id].js'])).paths).toEqual(['[id].js'])
  })
})

describe('the walk', () => {
  test("has a limit of its own, independent of the server's settings", () => {
    const tree = createGrowingTree('/')
    const add = (index: number): void => {
      const path = String(index).padStart(7, '0')
      tree.add({ path, kind: 'file' })
    }
    for (let index = 0; index < limits.entriesMax; index++) add(index)
    expect(() => add(limits.entriesMax)).toThrow(
      expect.objectContaining({
        code: 'too_large',
        message: 'the upload has more than 1000000 entries, the limit for one upload',
        details: { limit: 'entries of one upload', limitValue: 1_000_000, setting: null },
      }),
    )
  })

  test('is in manifest order, whatever sorts between a directory and its content', async () => {
    const root = await makeDirectory({
      'a/z': '',
      'a-b': '',
      'a!': '',
      a0: '',
      'a/b-c': '',
      'a/b/x': '',
      'a.d/e': '',
      ab: null,
    })
    await chmod(join(root, 'a'), 0o700)
    const { paths } = await walk(root, ['.'])
    expect(paths).toEqual(['a', 'a!', 'a-b', 'a.d/e', 'a/b-c', 'a/b/x', 'a/z', 'a0', 'ab'])
    expect(paths).toEqual([...paths].toSorted(comparePaths))
  })

  test('announces every entry once, in order, in batches', async () => {
    const names = Array.from({ length: 1100 }, (_, index) => String(1000 + index))
    const root = await makeDirectory(Object.fromEntries(names.map((name) => [name, ''])))
    const batches: [number, number][] = []
    await walk(root, ['.'], { onFiles: (from, to) => batches.push([from, to]) })
    expect(batches).toEqual([
      [0, 512],
      [512, 1024],
      [1024, 1100],
    ])
  })

  test('leaves out hidden files, unless requested, and excluded paths', async () => {
    const root = await makeDirectory({
      '.git/x': '',
      a: '',
      '.env': '',
      'node_modules/y/z': '',
      'b/c.map': '',
    })
    expect((await walk(root, ['.'])).paths).toEqual(['a', 'b/c.map', 'node_modules/y/z'])
    expect((await walk(root, ['.git', '.env'])).count).toBe(0)
    expect((await walk(root, ['.'], { includeHidden: true })).paths).toContain('.git/x')
    const { paths } = await walk(root, ['.'], { exclude: ['node_modules', '**/*.map'] })
    expect(paths).toEqual(['a', 'b'])
  })

  test.each<[string[], string[], string[]]>([
    [['.'], [], ['.env', '.git', 'b/.x', 'b/.y.map']],
    [['.'], ['.git/**', '**/.x', '**/*.map'], ['.env']],
    [['**/*.map'], [], ['b/.y.map']],
    [['**', '!**/.git/**', '!.env'], [], ['b/.x', 'b/.y.map']],
    [['.env', 'b/c.map'], [], ['.env']],
  ])('of %j without %j, names as left out %j', async (patterns, exclude, hidden) => {
    const root = await makeDirectory({
      '.git/x': '',
      a: '',
      '.env': '',
      'b/c.map': '',
      'b/.x': '',
      'b/.y.map': '',
    })
    const seen: string[] = []
    const onHidden = (path: string): void => void seen.push(path)
    await walk(root, patterns, { exclude, onHidden })
    expect(seen.toSorted()).toEqual(hidden)
    await walk(root, patterns, { exclude, onHidden, includeHidden: true })
    expect(seen).toHaveLength(hidden.length)
  })

  test('a name that no artifact can hold is reported with what to do, unless it is excluded', async () => {
    const root = await makeDirectory({ a: '', 'd/new\nline': '' })
    const message =
      'invalid path "d/new\\nline": it contains a control character; rename it, or exclude it'
    await expect(walk(root, ['.'])).rejects.toMatchObject({ code: 'unsafe_path', message })
    expect((await walk(root, ['.'], { exclude: ['d/**'] })).paths).toEqual(['a', 'd'])
  })

  test('a directory is not read when everything below it is excluded', async () => {
    const root = await makeDirectory({ a: '', 'd/locked/b': '', 'd/c': '' })
    await writeFile(Buffer.concat([Buffer.from(`${root}/d/locked/`), Buffer.from([0xff])]), '')
    await expect(walk(root, ['.'])).rejects.toMatchObject({ code: 'unsafe_path' })
    for (const glob of ['d/locked/**', '**/locked/**', 'd/l*/**'])
      expect((await walk(root, ['.'], { exclude: [glob] })).paths).toEqual(['a', 'd/c', 'd/locked'])
    const { paths } = await walk(root, ['.'], { exclude: ['d/locked'] })
    expect(paths).toEqual(['a', 'd/c'])
  })

  test('a name that is not UTF-8 is rejected only when it would be sent', async () => {
    const root = await makeDirectory({ 'a.log': '', 'd/b': '' })
    const bad = (name: string): Buffer =>
      Buffer.concat([Buffer.from(`${root}/${name}`), Buffer.from([0xff])])
    await writeFile(bad('f'), '')
    const message = expect.stringContaining('not valid UTF-8; rename it, or exclude it')
    await expect(walk(root, ['.'])).rejects.toMatchObject({ code: 'unsafe_path', message })
    expect((await walk(root, ['*.log'])).paths).toEqual(['a.log'])
    expect((await walk(root, ['.'], { exclude: ['f*'] })).paths).toEqual(['a.log', 'd/b'])
    await mkdir(bad('d/sub'))
    await expect(walk(root, ['d'])).rejects.toMatchObject({ code: 'unsafe_path', message })
    await symlink('a.log', bad('link'))
    const exclude = ['f*', 'd/**']
    await expect(walk(root, ['.'], { exclude, symlinks: 'follow' })).rejects.toMatchObject({
      message,
    })
  })

  test('a name with the replacement character is like any other', async () => {
    const root = await makeDirectory({ '\ufffd.txt': '' })
    expect((await walk(root, ['.'])).paths).toEqual(['\ufffd.txt'])
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xff])]), '')
    await expect(walk(root, ['.'])).rejects.toMatchObject({ code: 'unsafe_path' })
  })

  test('what vanishes while the walk goes on is reported by path', async () => {
    const names = Array.from({ length: 512 }, (_, index) => `a${index}`)
    const files = Object.fromEntries(names.map((name) => [name, '']))
    for (const last of ['z', 'z/f']) {
      const root = await makeDirectory({ ...files, [last]: '-> a0' })
      const onFiles = (): void => rmSync(join(root, 'z'), { recursive: true })
      const walking = walk(root, ['.'], { onFiles })
      await expect(walking).rejects.toThrow(`${join(root, 'z')} disappeared during the upload`)
    }
  })

  test('can be aborted where it takes nothing', async () => {
    const root = await makeDirectory({ 'a/b/c': '', 'a/d': '', e: '' })
    let now = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000))
    onTestFinished(() => clock.mockRestore())
    const stop = new AbortController()
    setImmediate(() => stop.abort())
    const walking = walk(root, ['**/*.none'], { signal: stop.signal })
    await expect(walking).rejects.toThrow('aborted')
  })

  test('a symlink whose target is not UTF-8 is rejected, since it would come back changed', async () => {
    const root = await makeDirectory({ a: '' })
    await symlink(Buffer.from([0x61, 0xff]), join(root, 'link'))
    await expect(walk(root, ['.'])).rejects.toMatchObject({
      code: 'unsafe_path',
      message: expect.stringContaining('its target is not valid UTF-8'),
    })
  })

  test('leaves out leftovers of a killed download, even with hidden files', async () => {
    const root = await makeDirectory({
      '.trove-partial/1': 'half',
      'dist/.trove-partial/2': 'half',
      'dist/.x': '',
      a: '',
    })
    expect((await walk(root, ['.'], { includeHidden: true })).paths).toEqual(['a', 'dist/.x'])
  })

  test('finds a name exactly as written, with blanks, and nothing below a file', async () => {
    const root = await makeDirectory({ ' a ': '', 'd /b': '', c: '' })
    expect((await walk(root, [' a '])).paths).toEqual([' a '])
    expect((await walk(root, ['d '])).paths).toEqual(['b'])
    expect((await walk(root, [' c '])).paths).toEqual(['c'])
    for (const pattern of ['c/b', 'c/*', `${'x'.repeat(300)}*`])
      expect((await walk(root, [pattern])).count).toBe(0)
  })

  test('keeps symlinks, or follows them without endless loops', async () => {
    const root = await makeDirectory({
      'd/f': 'x',
      link: '-> d',
      dangling: '-> none',
      'd/up': '-> ..',
    })
    const kept = await walk(root, ['.'])
    expect(kept.paths.map((path, ordinal) => `${path} ${kept.kind(ordinal)}`)).toEqual([
      'd/f file',
      'd/up symlink',
      'dangling symlink',
      'link symlink',
    ])
    const followed = await walk(root, ['.'], { symlinks: 'follow' })
    expect(followed.paths).not.toContain('dangling')
    expect(followed.paths).toContain('link/f')
    expect(followed.paths.every((_, ordinal) => followed.kind(ordinal) !== 'symlink')).toBe(true)
  })

  test('a symlink to itself, or to a path below a file, is dangling', async () => {
    const root = await makeDirectory({ f: 'x', self: '-> self', below: '-> f/g' })
    expect((await walk(root, ['.'], { symlinks: 'follow' })).paths).toEqual(['f'])
    expect((await walk(root, ['self', 'below'])).paths).toEqual(['below', 'self'])
    expect((await walk(root, ['self'])).paths).toEqual(['self'])
    expect((await walk(root, ['self/on'])).count).toBe(0)
  })

  test('reads a followed symlink from its target', async () => {
    const root = await makeDirectory({ 'd/f': 'x', one: '-> two', two: '-> d/f' })
    const all = await walk(root, ['.'], { symlinks: 'follow' })
    const sources = all.paths.map((path, ordinal) => `${path} ${all.sourceOf(ordinal)}`)
    const target = join(root, 'd/f')
    expect(sources).toEqual([`d/f ${target}`, `one ${target}`, `two ${target}`])
    const named = await walk(root, ['one'], { symlinks: 'follow' })
    expect([named.paths, named.sourceOf(0)]).toEqual([['one'], target])
  })

  test('takes what an open file is, not the symlink that stands for it', async () => {
    const root = await makeDirectory({ f: 'x' })
    const pipe = join(root, 'pipe')
    execFileSync('mkfifo', [pipe])
    const opened = [join(root, 'f'), pipe].map((path) => openSync(path, constants.O_RDWR))
    onTestFinished(() => opened.forEach(closeSync))
    const [file, end] = opened.map(String) as [string, string]
    for (const symlinks of ['keep', 'follow'] as const) {
      for (const folder of ['/dev/fd', '/proc/self/fd', `/proc/${process.pid}/fd`]) {
        const tree = await walk(root, [join(folder, file)], { symlinks })
        expect([tree.paths, tree.kind(0)]).toEqual([[file], 'file'])
        expect(tree.sourceOf(0)).toBe(join(root, 'f'))
        await expect(walk(root, [join(folder, end)], { symlinks })).rejects.toMatchObject({
          code: 'unsupported_entry',
          details: { kind: 'pipe' },
        })
      }
    }
  })
})
