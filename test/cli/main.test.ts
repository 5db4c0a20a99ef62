/** `trove` itself: help, version, and errors for mistyped commands. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { commands } from '../../src/cli/command-list.ts'
import { formatHelp } from '../../src/cli/command.ts'
import { exitStatusMeaning } from '../../src/cli/exit-status.ts'
import { suggestion } from '../../src/cli/suggestion.ts'
import { runTroveInside } from './run-inside.ts'
import { runTrove } from './run-trove.ts'

test('help goes to stdout when requested, else to stderr with status 2', async () => {
  const asked = await runTroveInside(['--help'])
  expect(asked).toMatchObject({ status: 0, stderr: '' })
  expect(asked.text).toContain('  upload    ')
  expect(await runTroveInside([])).toMatchObject({ status: 2, text: '', stderr: asked.text })
  const [long, short] = await Promise.all([
    runTroveInside(['help', 'rm']),
    runTroveInside(['rm', '-h']),
  ])
  expect(long.text).toBe(short.text)
})

test.each(Object.entries(commands))('help of %s has the common form', async (name, listed) => {
  const command = await listed.load()
  const text = formatHelp(name, command)
  for (const example of command.examples) expect(example).toMatch(new RegExp(`\\btrove ${name}\\b`))
  // Help must explain how to name an artifact.
  expect(text.includes('id:123')).toBe(/\bREF\b|\bA B\b/.test(command.operands))
  const flags = [...text.matchAll(/^ {2}(?:-\w,| {3}) --([\w-]+)/gm)].map(([, flag]) => flag!)
  expect(flags.toSorted()).toEqual([...Object.keys(command.flags), 'help'].toSorted())
  const shared = ['url', 'project', 'json', 'help']
  const firstShared = flags.findIndex((flag) => shared.includes(flag))
  expect(flags.slice(firstShared)).toEqual(shared.filter((flag) => flags.includes(flag)))
})

test('help marks repeatable flags, and says what else statuses mean', async () => {
  const [verify, list, run] = await Promise.all([
    runTroveInside(['help', 'verify']),
    runTroveInside(['help', 'list']),
    runTroveInside(['help', 'run']),
  ])
  expect(verify.text).toMatch(/^ {2}6 +attestation rejected, or forbidden$/m)
  expect(list.text).toMatch(/^ {2}6 +forbidden$/m)
  expect(verify.text).toMatch(/--path GLOB .* \(repeatable\)$/m)
  expect(verify.text).toMatch(/^ {2}1 +they differ, or other failure$/m)
  expect(list.text).toMatch(/^ {2}1 +other failure$/m)
  expect(run.text).toMatch(/^ {2}1 +a job failed, or other failure$/m)
})

test('the README explains exit statuses in the words of help', async () => {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [, table = ''] = /^### Exit statuses\n([^#]*)/m.exec(readme) ?? []
  const meanings = [...table.matchAll(/\| (\d+) \| ([^|;]+?)(?=;| \|)/g)]
  expect(Object.fromEntries(meanings.map(([, status, meaning]) => [status, meaning]))).toEqual(
    exitStatusMeaning,
  )
})

test('help of commands that pick a server in their own way says so', async () => {
  const url = async (name: string): Promise<string> =>
    /--url URL +(.*)/.exec((await runTroveInside(['help', name])).text)![1]!
  expect(await url('list')).toMatch(/`trove login`.*127\.0\.0\.1:7878/)
  // A login alone does not receive the record of a run, nor a token of a data directory's key.
  expect(await url('run')).not.toContain('trove login')
})

test.each(['list', 'search', 'find', 'stats'])(
  'help of %s has the status of more projects than one request can cover',
  async (name) => {
    expect((await runTroveInside(['help', name])).text).toMatch(/^ {2}9 +quota exceeded, or too/m)
  },
)

test("the version is the package's", async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  for (const word of ['--version', '-V', 'version']) {
    expect(await runTrove([word])).toMatchObject({
      status: 0,
      text: `trove ${version}\n`,
      stderr: '',
    })
  }
})

test.each([
  [['uplaod', 'x'], 'unknown command "uplaod"; did you mean upload?'],
  [['help', 'lst'], 'unknown command "lst"; did you mean list?'],
  [['purge'], 'unknown command "purge"'],
  [['--json', 'list'], 'flags such as --json go after the command'],
  // Terminal control sequences are not echoed.
  [['x\u009b2J'], 'unknown command "x\ufffd2J"'],
  [['upload', '--overwrit', 'x', 'y'], 'unknown flag --overwrit; did you mean --overwrite?'],
  [['upload', '--colour', 'x', 'y'], 'unknown flag --colour'],
  [
    ['upload', '-x', 'y'],
    'unknown flag -x; names that begin with a dash go after `--`, behind all flags',
  ],
])('%j suggests what was meant', async (words, message) => {
  const { status, text, stderr } = await runTroveInside(words)
  expect({ status, text }).toEqual({ status: 2, text: '' })
  expect(stderr.split('\n')[0]).toBe(`trove: ${message}`)
})

test.each([
  [['list', '--constructor'], 'unknown flag --constructor'],
  // Maintenance is of the whole server.
  [['jobs', '--project', 'a/b'], 'unknown flag --project'],
  [['list', '--json=no'], '--json takes no value'],
  [['expire', '42/build', '--in'], '--in needs a value: TIME'],
  [
    ['expire', '42/build', '--in', '-1'],
    '--in must be a duration such as 90s, 6h or 30d, got "-1"',
  ],
  [['list', '--limit', '--json'], '--limit must be a positive whole number, got "--json"'],
  [['list', '--limit', '0'], '--limit must be a positive whole number, got "0"'],
  [
    ['list', '--name', '--json'],
    '--name needs a value: NAME; one that begins with a dash is written --name=--json',
  ],
])('%j is rejected in one line that names the flag, and a hint', async (words, message) => {
  const { status, text, stderr } = await runTroveInside(words)
  const hint = `hint: \`trove ${words[0]} --help\` shows the accepted flags.`
  expect({ status, text, stderr }).toEqual({
    status: 2,
    text: '',
    stderr: `trove: ${message}\n${hint}\n`,
  })
})

test.each([
  [['serve', '--host', '', '--port', '0'], '--host is empty'],
  [['serve', '--data', '', '--port', '0'], '--data is empty'],
  [['download', '1/docs', ''], 'empty argument'],
  [['list', '--branch', ''], '--branch is empty'],
  [['search', '*', '--name', ''], '--name is empty'],
  [['projects', '--name', ''], '--name is empty'],
  [['jobs', '--cancel', ''], '--cancel is empty'],
  [['revoke', '--id', ''], '--id is empty'],
  [['audit', '--token-id', ''], '--token-id is empty'],
  [['secrets', '1/docs', '--dismiss', ''], '--dismiss is empty'],
  [['token', '--projects', ''], '--projects is empty'],
  [['download', '--run', '1', '--pattern', ''], '--pattern is empty'],
  [['why', '1/docs', '--against', ''], '--against is empty'],
  [['download', '1/docs', 'site', '--path', ''], '--path is empty'],
])('%j is rejected: an unset variable would change its meaning', async (words, what) => {
  const { status, stderr } = await runTroveInside(words)
  expect({ status, stderr }).toMatchObject({
    status: 2,
    stderr: expect.stringContaining(`trove: ${what} (is a variable unset?)\n`),
  })
})

test('a token that would outlive a century is refused before anything is asked', async () => {
  const { status, stderr } = await runTroveInside(['token', '--expires', '99999999d'])
  expect({ status, stderr: stderr.split('\n')[0] }).toEqual({
    status: 2,
    stderr:
      'trove: --expires must be a duration such as 90s, 6h or 30d, at most 36600d, got "99999999d"',
  })
})

test('suggests the nearest word, and nothing when none is near', () => {
  const words = ['list', 'ls', 'rm', 'run', 'download']
  expect(suggestion('dwonload', words)).toBe('did you mean download?')
  expect(suggestion('down', words)).toBe('did you mean download?')
  expect(suggestion('lits', words)).toBe('did you mean list?')
  expect(suggestion('rnu', words)).toBe('did you mean run?')
  expect(suggestion('x', words)).toBeUndefined()
  expect(suggestion('upload-all', words)).toBeUndefined()
})
