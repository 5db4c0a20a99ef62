/** Shells: turns the script of a `run:` step into a command line, with the options that GitHub's
 *  runner passes to each shell. */
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

export interface ShellCommand {
  command: string
  args: string[]
  /** File name extension of the script, including the dot. */
  extension: string
  script: string
}

/** Named shells. `{0}` stands for the script's path. */
const shells: Record<string, Omit<ShellCommand, 'script'>> = {
  bash: {
    command: 'bash',
    args: ['--noprofile', '--norc', '-e', '-o', 'pipefail', '{0}'],
    extension: '.sh',
  },
  sh: { command: 'sh', args: ['-e', '{0}'], extension: '.sh' },
  python: { command: 'python', args: ['{0}'], extension: '.py' },
  pwsh: { command: 'pwsh', args: ['-command', ". '{0}'"], extension: '.ps1' },
}

/** Returns the command for `script`, to be completed by `placeScript`. `shell` is a name in the
 *  table or a custom command with `{0}`; undefined means bash without pipefail, or sh if there is
 *  no bash. Throws an Error that names the shell when it is not installed. */
export async function planShell(
  shell: string | undefined,
  script: string,
  environment: Record<string, string>,
): Promise<ShellCommand> {
  if (shell === undefined || shell === '') {
    const hasBash = (await findProgram('bash', environment)) !== undefined
    return { command: hasBash ? 'bash' : 'sh', args: ['-e', '{0}'], extension: '.sh', script }
  }
  const known = shells[shell.toLowerCase()]
  if (known !== undefined) return await planNamed(shell.toLowerCase(), known, script, environment)
  const words = splitWords(shell)
  const [command, ...args] = words
  if (command === undefined || !shell.includes('{0}')) {
    const names = Object.keys(shells).join(', ')
    throw new Error(
      `unknown shell ${JSON.stringify(shell)}: use one of ${names}, or a command with {0} in place of the script`,
    )
  }
  if ((await findProgram(command, environment)) === undefined) throw notInstalled(command)
  return { command, args, ...fitScript(command, script) }
}

/** Adapts the script to a program of the table, also when it is called by a custom command:
 *  PowerShell runs only files named `.ps1`. */
function fitScript(name: string, script: string): Pick<ShellCommand, 'extension' | 'script'> {
  const extension = shells[name]?.extension ?? ''
  return { extension, script: name === 'pwsh' ? wrapPowerShell(script) : script }
}

async function planNamed(
  name: string,
  known: Omit<ShellCommand, 'script'>,
  script: string,
  environment: Record<string, string>,
): Promise<ShellCommand> {
  // Debian has only python3; runners have both names.
  const names = name === 'python' ? ['python', 'python3'] : [known.command]
  for (const command of names) {
    if ((await findProgram(command, environment)) === undefined) continue
    return { command, args: known.args, ...fitScript(name, script) }
  }
  throw notInstalled(known.command)
}

function notInstalled(command: string): Error {
  return new Error(`shell ${JSON.stringify(command)} is not installed on this machine`)
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

/** Returns the absolute path of a program on the PATH of `environment`; undefined when not
 *  found. */
async function findProgram(
  name: string,
  environment: Record<string, string>,
): Promise<string | undefined> {
  const candidates = name.includes('/')
    ? [name].filter(isAbsolute)
    : (environment.PATH ?? '').split(delimiter).map((directory) => join(directory, name))
  for (const candidate of candidates) {
    const runnable = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runnable) return candidate
  }
  return undefined
}
