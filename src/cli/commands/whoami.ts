/** `trove whoami`: which server and token commands use, where both come from, and what the token
 *  may do. */
import type { WireCurrentToken } from '../../api/token-messages.ts'
import type { ClientConfig, TokenSource, UrlSource } from '../../config/client-config.ts'
import { unauthenticated } from '../../core/errors.ts'
import { formatAccess } from '../../core/access/project-access.ts'
import { isSameProject, type ProjectName } from '../../core/run/run.ts'
import { serverFlags } from '../arguments.ts'
import type { Command } from '../command.ts'
import {
  type CurrentToken,
  expiryWords,
  permissionWords,
  readCurrentToken,
  refusedToken,
} from '../login/current-token.ts'
import { printable, write, writeResult } from '../output/output.ts'
import { serverContext, withToken } from '../server-access.ts'

export const whoamiCommand: Command<typeof serverFlags> = {
  operands: '',
  summary: 'Show which server and token are used, where they come from, and what the token may do.',
  flags: serverFlags,
  examples: ['trove whoami', 'trove whoami --url https://store.example.com --json'],
  exitStatuses: [3, 5, 6, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const context = serverContext(given, { stderr })
    const { config } = context
    const where = `${config.url} (${urlWords[config.urlFrom]})`
    if (config.token === null && config.idToken === null)
      throw unauthenticated(`there is no token for ${where}`)
    const tokenFrom = config.tokenFrom ?? 'ID token'
    try {
      const { server, config } = await withToken(context, given, { stderr, signal })
      const current = await readCurrentToken(server, signal)
      await writeResult(stdout, given, jsonOf(config, current), () => textOf(config, current))
      await write(stderr, mismatches(config, current))
    } catch (error) {
      throw refusedToken(error, `${where} refuses the token (${tokenWords(tokenFrom)})`)
    }
  },
}

const urlWords: Record<UrlSource, string> = {
  '--url': 'from --url',
  TROVE_URL: 'from TROVE_URL',
  ACTIONS_RESULTS_URL: 'from ACTIONS_RESULTS_URL',
  login: 'the default server of `trove login`',
  default: 'the default: nothing names a server',
}

function tokenWords(from: TokenSource): string {
  if (from === 'login') return 'stored by `trove login`'
  return from === 'ID token' ? 'exchanged for the ID token of this job' : `from ${from}`
}

function jsonOf(config: ClientConfig, current: WireCurrentToken): object {
  const { url, urlFrom, tokenFrom, project: used, projectFrom } = config
  const { id, person, scope, project, access, run, attempt, job, expiresAt, serverVersion } =
    current
  const token = { id, person, scope, project, access, run, attempt, job, expiresAt }
  return { url, urlFrom, serverVersion, tokenFrom, ...token, used: { project: used, projectFrom } }
}

function textOf({ url, urlFrom, tokenFrom }: ClientConfig, current: CurrentToken): string {
  const rows = [
    ['server', `${url}, ${urlWords[urlFrom]}`],
    ['version', current.serverVersion],
    ['token', tokenWords(tokenFrom ?? 'ID token')],
    ['id', current.id],
    ...(current.person === null ? [] : [['person', current.person]]),
    ['may', permissionWords(current)],
    ['project', projectWords(current)],
    ['expires', expiryWords(current)],
  ]
  return rows.map(([name, text]) => `${name!.padEnd(9)}${printable(text!)}\n`).join('')
}

function projectWords({ project, access }: WireCurrentToken): string {
  return project ?? (access.length === 0 ? 'all' : formatAccess(access))
}

/** Where flags or variables name a project or run that the token does not cover. */
function mismatches(config: ClientConfig, current: WireCurrentToken): string {
  const { project, projectFrom, run, attempt } = config
  const lines: string[] = []
  const isOther = (own: string): boolean =>
    project !== null && !isSameProject(project, own as ProjectName)
  if (current.project !== null && isOther(current.project))
    lines.push(`${projectFrom} names ${project}, but the token is of ${current.project}`)
  if (current.run !== null && run !== null && run !== current.run)
    lines.push(`commands use run ${run}, but the token is of run ${current.run}`)
  else if (current.attempt !== null && attempt !== null && attempt !== current.attempt)
    lines.push(`commands use attempt ${attempt}, but the token is of attempt ${current.attempt}`)
  return lines.map((line) => `trove: warning: ${printable(line)}\n`).join('')
}
