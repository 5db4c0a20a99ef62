/** `trove completion`, in the shells themselves: lines are typed with tabs, and a stand-in for
 *  `trove` shows what it was called with. bash is everywhere; zsh and fish are tried where they
 *  are installed. */
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { commands } from '../../src/cli/command-list.ts'
import { commandShapes } from '../../src/cli/completion/command-shape.ts'
import { makeDirectory } from '../client/tree.ts'
import { runInTerminal } from './in-terminal.ts'
import { runTroveInside } from './run-inside.ts'

const shells = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof shells)[number]

const has = (shell: Shell): boolean => spawnSync(shell, ['-c', 'true']).status === 0
for (const shell of shells)
  if (!has(shell)) process.stderr.write(`skipped: completion in ${shell}: it is not installed\n`)

const folder = await makeDirectory()
const scriptOf = (shell: Shell): string => join(folder, `_trove.${shell}`)
beforeAll(async () => {
  await mkdir(join(folder, 'files', 'sub dir'), { recursive: true })
  await writeFile(join(folder, 'files', 'my file.txt'), '')
  for (const shell of shells) {
    const { status, text } = await runTroveInside(['completion', shell])
    expect(status).toBe(0)
    await writeFile(scriptOf(shell), text)
  }
})

/** What is typed, and the arguments that follow. */
const lines: [typed: string, args: string[]][] = [
  ['trove upl\t', ['upload']],
  ['trove whoa\t--js\t', ['whoami', '--json']],
  ['trove help comp\t', ['help', 'completion']],
  ['trove completion z\t', ['completion', 'zsh']],
  ['trove token li\t', ['token', 'list']],
  ['trove list --sta\tava\t', ['list', '--state', 'available']],
  ['trove list --sort=old\t', ['list', '--sort=oldest']],
  [
    'trove upload --symlinks fol\tname my\t',
    ['upload', '--symlinks', 'follow', 'name', 'my file.txt'],
  ],
  ['trove upload x y my\t', ['upload', 'x', 'y', 'my file.txt']],
  // A name of an artifact, and a REF.
  ['trove upload my\t', ['upload', 'my']],
  ['trove ls my\t', ['ls', 'my']],
  ['trove download latest:main/x su\t', ['download', 'latest:main/x', 'sub dir/']],
  ['trove download o/r@1/x my\t', ['download', 'o/r@1/x', 'my']],
  ['trove download -o my\t', ['download', '-o', 'my file.txt']],
  ['trove gc --data su\t', ['gc', '--data', 'sub dir/']],
  ['trove find --limit 5 my\t', ['find', '--limit', '5', 'my file.txt']],
]

const standIn = `trove() { printf CALLED; printf '[%s]' "$@"; echo; }`

async function argumentsIn(shell: string[], setup: string, term: string): Promise<string[]> {
  const steps = [
    { after: 'READY> ', type: `${setup}; cd ${folder}/files; ${standIn}; echo SET\\UP\n` },
    { after: 'SETUP', type: '' },
    ...lines.flatMap(([typed]) => [
      // What is typed before a shell reads keys is not completed.
      { after: 'READY> ', type: `${typed}\n` },
      { after: 'CALLED', type: '' },
    ]),
    { after: 'READY> ', type: 'exit\n' },
  ]
  const environment = { PS1: 'READY> ', TERM: term, HOME: folder, INPUTRC: '/dev/null' }
  const { screen } = await runInTerminal(shell, steps, environment)
  return [...screen.matchAll(/CALLED((?:\[[^\]]*\])+)/g)].map(([, args]) => args!)
}

const expected = lines.map(([, args]) => args.map((each) => `[${each}]`).join(''))

test.runIf(has('bash'))('bash completes commands, flags, their values, and files', async () => {
  const setup = `source ${scriptOf('bash')}`
  const shell = ['bash', '--norc', '--noprofile', '-i']
  expect(await argumentsIn(shell, setup, 'dumb')).toEqual(expected)
})

test.runIf(has('zsh'))('zsh does so too', async () => {
  const setup = `autoload -Uz compinit; compinit -u -D; source ${scriptOf('zsh')}`
  // It joins a flag and its value by `=`, and takes the slash of a directory away when the line
  // ends there.
  const ofZsh = expected.map((args) =>
    args.replace('[--state][', '[--state=').replaceAll('/]', ']'),
  )
  expect(await argumentsIn(['zsh', '-f', '-i'], setup, 'xterm')).toEqual(ofZsh)
})

describe.runIf(has('fish'))('fish', () => {
  async function offered(line: string): Promise<string[]> {
    const script = `source ${scriptOf('fish')}; complete -C ${JSON.stringify(line)}`
    const cwd = join(folder, 'files')
    const environment = { ...process.env, HOME: folder }
    const { stdout } = await promisify(execFile)('fish', ['--no-config', '-c', script], {
      cwd,
      env: environment,
    })
    return stdout.split('\n').flatMap((each) => each.split('\t')[0] || [])
  }

  test.each([
    ['trove upl', ['upload']],
    ['trove help comp', ['completion']],
    ['trove completion ', ['bash', 'fish', 'zsh']],
    ['trove token li', ['list']],
    ['trove list --sta', ['--state']],
    ['trove list --state ava', ['available']],
    ['trove list --sort=old', ['--sort=oldest']],
    ['trove upload --symlinks follow name ', ['my file.txt', 'sub dir/']],
    ['trove upload x y my', ['my file.txt']],
    ['trove upload my', []],
    ['trove ls my', []],
    ['trove download latest:main/x ', ['sub dir/']],
    ['trove download -o my', ['my file.txt']],
    ['trove gc --data ', ['sub dir/']],
    ['trove find --limit 5 my', ['my file.txt']],
  ])('offers for %j %j', async (line, words) => {
    expect(await offered(line)).toEqual(words)
  })
})

test('no script has a fault of syntax, and none prints anything when it is read', () => {
  for (const shell of shells.filter(has)) {
    expect(spawnSync(shell, ['-n', scriptOf(shell)])).toMatchObject({ status: 0 })
    const setup = shell === 'zsh' ? 'compdef() { :; }; ' : ''
    const read = execFileSync(shell, ['-c', `${setup}source ${scriptOf(shell)}`])
    expect(read.toString()).toBe('')
  }
})

test('every flag that help says to take few values has them, and every word of help is safe in a shell', async () => {
  const shapes = await commandShapes(commands)
  const chosen = shapes.flatMap(({ name, flags }) =>
    flags
      .filter(({ value }) => value !== undefined && typeof value.completion === 'object')
      .filter(({ value }) => value!.completion !== null)
      .map(({ long }) => `${name} ${long}`),
  )
  expect(chosen).toEqual([
    'upload --if-no-files-found',
    'upload --symlinks',
    'download --symlinks',
    'download --format',
    'list --state',
    'list --sort',
    'audit --kind',
    'projects --sort',
    'settings --on-conflict',
    'settings --strict',
    'token --scope',
  ])
  for (const { name, flags, operands } of shapes) {
    expect(name).toMatch(/^[a-z-]+$/)
    for (const { long, short = '-x' } of flags)
      expect(`${long} ${short}`).toMatch(/^--[a-z-]+ -\w$/)
    for (const { completion } of [...operands, ...flags.map(({ value }) => value)].flatMap(
      (each) => each ?? [],
    ))
      if (typeof completion === 'object')
        for (const word of completion?.words ?? []) expect(word).toMatch(/^[a-z.-]+$/)
  }
})

test('operands that help repeats may be repeated', async () => {
  const repeated = (await commandShapes(commands)).filter(
    ({ operands }) => operands.at(-1)?.repeats,
  )
  expect(repeated.map(({ name }) => name)).toEqual(['upload', 'search', 'rm'])
})

test('a shell that there is no script for is refused with those that there are', async () => {
  expect(await runTroveInside(['completion', 'tcsh'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('the shell must be bash, zsh or fish, got "tcsh"'),
  })
  expect(await runTroveInside(['completion'])).toMatchObject({ status: 2 })
})
