/** Shells: turns the script of a `run:` step into a command line, with the options that GitHub's
 *  runner passes to each shell. */
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

export interface ShellCommand {
  /** Name of the program, as shown. */
  command: string
  /** Path of the program. */
  program: string
  args: string[]
  /** File name extension of the script, including the dot. */
  extension: string
  script: string
}

/** Extension of the scripts of PowerShell. */
const powerShell = '.ps1'

interface Shell {
  /** Names of the program; the first that is installed runs the script. */
  programs: string[]
  /** `{0}` stands for the script's path. */
  args: string[]
  extension: string
}

/** By name; '' is the default. */
const shells = new Map<string, Shell>([
  ['', { programs: ['bash', 'sh'], args: ['-e', '{0}'], extension: '.sh' }],
  [
    'bash',
    {
      programs: ['bash'],
      args: ['--noprofile', '--norc', '-e', '-o', 'pipefail', '{0}'],
      extension: '.sh',
    },
  ],
  ['sh', { programs: ['sh'], args: ['-e', '{0}'], extension: '.sh' }],
  // Debian has only python3; runners have both names.
  ['python', { programs: ['python', 'python3'], args: ['{0}'], extension: '.py' }],
  ['pwsh', { programs: ['pwsh'], args: ['-command', ". '{0}'"], extension: powerShell }],
])

/** Returns the command for `script`, to be completed by `placeScript`. `shell` is a name in the
 *  table or a custom command with `{0}`; undefined means bash without pipefail, or sh if there is
 *  no bash. Throws an Error that names the shell when it is not among the directories of
 *  `searchPath`. */
export async function planShell(
  shell: string | undefined,
  script: string,
  searchPath: string,
): Promise<ShellCommand> {
  const { programs, args, extension } =
    shells.get((shell ?? '').toLowerCase()) ?? customShell(shell ?? '')
  for (const command of programs) {
    const program = await findProgram(command, searchPath)
    if (program === undefined) continue
    const wrapped = extension === powerShell ? wrapPowerShell(script) : script
    return { command, program, args, extension, script: wrapped }
  }
  throw new Error(`shell ${JSON.stringify(programs[0])} is not installed on this machine`)
}

/** A custom command may call a program of the table: PowerShell runs only files named `.ps1`. */
function customShell(shell: string): Shell {
  const [command, ...args] = splitWords(shell)
  if (command === undefined || !shell.includes('{0}')) {
    const names = [...shells.keys()].filter((name) => name !== '').join(', ')
    throw new Error(
      `unknown shell ${JSON.stringify(shell)}: use one of ${names}, or a command with {0} in place of the script`,
    )
  }
  return { programs: [command], args, extension: shells.get(command)?.extension ?? '' }
}

/** Makes a failing program fail the step, as `-e` does for bash. */
function wrapPowerShell(script: string): string {
  const last = 'if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }'
  return `$ErrorActionPreference = 'stop'\n${script}\n${last}`
}

/** Inserts the script's path into the arguments. */
export function placeScript(args: string[], path: string): string[] {
  return args.map((arg) => arg.replaceAll('{0}', path))
}

/** Splits at whitespace, except inside double quotes, which are removed. */
function splitWords(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ''))
}

/** Returns the absolute path of a program in one of the directories. */
async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  const candidates = name.includes('/')
    ? [name]
    : searchPath.split(delimiter).map((directory) => join(directory, name))
  for (const candidate of candidates.filter(isAbsolute)) {
    const runnable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runnable) return candidate
  }
  return undefined
}
