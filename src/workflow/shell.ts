/** Shells: how the script of a `run:` step becomes a command line, with the options GitHub's runner gives each shell. */
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'

export interface ShellCommand {
  command: string
  args: string[]
  /** File name extension of the script, with its dot. */
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

/** Plans the command for `script`, to be completed by `placeScript`. `shell` is a name of the table or a custom command
 *  with `{0}`; undefined means bash without pipefail, or sh where there is no bash. Throws an Error that says what is
 *  missing when the shell is not installed. */
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
      `shell ${JSON.stringify(shell)} is neither one of ${names} nor a command with {0} for the script`,
    )
  }
  if ((await findProgram(command, environment)) === undefined) throw notInstalled(command)
  return { command, args, ...fitScript(command, script) }
}

/** What a program of the table wants of its script, however it is called: PowerShell runs files named `.ps1` only. */
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
  // Debian has python3 only; runners have both names.
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

/** A failing program must fail the step, as `-e` does for bash. */
function wrapPowerShell(script: string): string {
  const last = 'if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }'
  return `$ErrorActionPreference = 'stop'\n${script}\n${last}`
}

/** The arguments with the script's path in place. */
export function placeScript(args: string[], path: string): string[] {
  return args.map((arg) => arg.replaceAll('{0}', path))
}

/** Splits at blanks, except inside double quotes, which are taken away. */
function splitWords(text: string): string[] {
  return [...text.matchAll(/(?:"[^"]*"|[^\s"])+/g)].map(([word]) => word.replaceAll('"', ''))
}

/** Absolute path of a program on the PATH of `environment`. */
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
