import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bounds } from '../../src/workflow/bounds.ts'
import {
  createCommandFiles,
  parsePairs,
  readCommandFiles,
} from '../../src/workflow/step/file-commands.ts'
import { parseLogCommand } from '../../src/workflow/step/log-commands.ts'
import { makeDirectory } from '../client/tree.ts'

const run = promisify(execFile)

test('lines and blocks are parsed', () => {
  expect(parsePairs('a=1\nb=x=y\n\nc<<EOF\nline 1\n\nline 3\nEOF\nd=\ne=a<<b\n')).toEqual({
    a: '1',
    b: 'x=y',
    c: 'line 1\n\nline 3',
    d: '',
    e: 'a<<b',
  })
  expect(parsePairs('c<<X\r\none\r\ntwo\r\nX\r\n')).toEqual({ c: 'one\r\ntwo' })
  expect(parsePairs('empty<<X\nX')).toEqual({ empty: '' })
})

test('invalid input is rejected with the line', () => {
  expect(() => parsePairs('a=1\nno sign')).toThrow("Invalid format 'no sign'")
  expect(() => parsePairs('a<<EOF\nnever ends')).toThrow("Matching delimiter not found 'EOF'")
  expect(() => parsePairs('<<EOF\nx\nEOF')).toThrow('Name must not be empty')
  expect(() => parsePairs('=x')).toThrow('Name must not be empty')
})

test('what stands before an invalid line of a file counts', async () => {
  const files = await createCommandFiles(await makeDirectory())
  await writeFile(files.GITHUB_ENV, 'a=1\nb<<EOF\nx\n')
  const { env, faults } = await readCommandFiles(files)
  expect(env).toEqual({ a: '1' })
  expect(faults).toEqual([
    "Unable to process file command 'GITHUB_ENV': Invalid value. Matching delimiter not found 'EOF'",
  ])
})

test('any value written the way the toolkit does round-trips', () => {
  const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/)
  const value = fc.oneof(fc.string(), fc.stringMatching(/^[ab=<\n]{0,20}$/))
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (pairs) => {
      const text = Object.entries(pairs)
        .map(([key, item]) => `${key}<<ghadelimiter_1\n${item}\nghadelimiter_1\n`)
        .join('')
      expect(parsePairs(text)).toEqual(pairs)
    }),
  )
})

test('files start empty, are read once and removed; a file the step removed counts as empty', async () => {
  const directory = await makeDirectory()
  const files = await createCommandFiles(directory)
  expect(await readFile(files.GITHUB_ENV, 'utf8')).toBe('')
  await writeFile(files.GITHUB_OUTPUT, 'a=b\n')
  await writeFile(files.GITHUB_PATH, '/one\n\n/two\n')
  await writeFile(files.GITHUB_ENV, 'broken\n')
  await rm(files.GITHUB_STATE)
  const commands = await readCommandFiles(files)
  expect(commands).toMatchObject({
    outputs: { a: 'b' },
    path: ['/one', '/two'],
    env: {},
    state: {},
    summary: '',
  })
  expect(commands.faults).toEqual([
    "Unable to process file command 'GITHUB_ENV': Invalid format 'broken'",
  ])
  await expect(readFile(files.GITHUB_OUTPUT)).rejects.toThrow('ENOENT')
})

test('reading neither blocks nor runs forever when a step replaces its files', async () => {
  const directory = await makeDirectory()
  const files = await createCommandFiles(directory)
  for (const path of Object.values(files)) await rm(path as string)
  await run('mkfifo', [files.GITHUB_OUTPUT])
  await symlink('/dev/zero', files.GITHUB_ENV)
  await symlink('/dev/null', files.GITHUB_PATH)
  await mkdir(join(files.GITHUB_STATE, 'deep'), { recursive: true })
  await mkdir(files.GITHUB_STEP_SUMMARY)
  const commands = await readCommandFiles(files)
  expect(commands.path).toEqual([])
  expect(commands.faults).toEqual([
    `Unable to process file command 'GITHUB_ENV': the file exceeds the limit of ${bounds.commandFileBytesMax} bytes`,
    "Unable to process file command 'GITHUB_OUTPUT': not a file",
    "Unable to process file command 'GITHUB_STATE': not a file",
  ])
  expect(commands.summaryFaults).toEqual(['Unable to read GITHUB_STEP_SUMMARY: not a file'])
  expect(Object.values(files).filter((path) => existsSync(path as string))).toEqual([])
})

test('many blocks are parsed in linear time', () => {
  const blocks = Array.from({ length: 200_000 }, (_, i) => `a${i}<<E${i}\nx\nE${i}\n`)
  const startedAt = performance.now()
  expect(Object.keys(parsePairs(blocks.join('')))).toHaveLength(200_000)
  // A fraction of a second; searching for each end from the first line took minutes.
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})

test('log commands are parsed with properties and escapes', () => {
  expect(
    parseLogCommand('::error file=a%2Cb.js,line=3,endLine=4,title=Oh%3A::100%25 bad%0Anext'),
  ).toEqual({
    name: 'error',
    properties: { file: 'a,b.js', line: '3', endline: '4', title: 'Oh:' },
    data: '100% bad\nnext',
  })
  expect(parseLogCommand('  ::endgroup::')).toEqual({ name: 'endgroup', properties: {}, data: '' })
  expect(parseLogCommand('::add-mask::a::b')).toMatchObject({ name: 'add-mask', data: 'a::b' })
  expect(parseLogCommand('##[warning]look')).toMatchObject({ name: 'warning', data: 'look' })
  expect(parseLogCommand('std::string x::y')).toBeUndefined()
  expect(parseLogCommand('plain')).toBeUndefined()
  // %25 is unescaped last, so an escaped escape stays text.
  expect(parseLogCommand('::notice::%250A')).toMatchObject({ data: '%0A' })
})

test('a line that looks like a command is parsed in linear time', () => {
  const blanks = ' '.repeat(60_000)
  const startedAt = performance.now()
  for (const line of [`::x${blanks}`, `::x${blanks}:`, `##[x${blanks}`, '##[x '.repeat(12_000)]) {
    expect(parseLogCommand(line)).toBeUndefined()
  }
  expect(parseLogCommand(`::x${blanks}::y`)).toEqual({ name: 'x', properties: {}, data: 'y' })
  // Milliseconds; a pattern that tries every split of the spaces took minutes.
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})

test('the header of a command ends at the first delimiter after its name', () => {
  expect(parseLogCommand('::a:b::c')).toBeUndefined()
  expect(parseLogCommand('::::x')).toBeUndefined()
  expect(parseLogCommand('::error title=a::b::c')).toEqual({
    name: 'error',
    properties: { title: 'a' },
    data: 'b::c',
  })
  expect(parseLogCommand('before ##[error file=a;line=2]c]d')).toEqual({
    name: 'error',
    properties: { file: 'a', line: '2' },
    data: 'c]d',
  })
})
