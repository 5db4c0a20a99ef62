/** `trove login`: stores a token for a server, so that commands on this machine need no
 *  variables. */
import type { ClientConfig } from '../../config/client-config.ts'
import { readCommandConfig } from '../../config/config.ts'
import { isLoopback } from '../../core/loopback.ts'
import { type Login, readLogins } from '../../config/logins.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import {
  describeGrant,
  expiryWords,
  readCurrentToken,
  refusedToken,
} from '../login/current-token.ts'
import { changeLogins, requireLoginsFile, withLogin } from '../login/login-store.ts'
import { namedServer } from '../login/named-server.ts'
import { write } from '../output/output.ts'
import { readHiddenLine, readTokenFrom } from '../login/token-input.ts'

const flags = { url: serverFlags.url } as const

export const loginCommand: Command<typeof flags> = {
  operands: '[URL]',
  summary:
    'Ask for a token or read it from stdin, check it with the server, and store it for this user. Commands then use this server and token unless a flag or variable names another.',
  flags,
  examples: [
    'trove login https://store.example.com',
    'trove login https://store.example.com < token.txt',
  ],
  exitStatuses: [3, 5, 10],
  async run({ flags: given, operands, stderr, signal }) {
    const [operand] = takeOperands(operands, [], ['URL'])
    const config = readCommandConfig({ url: namedServer(operand, given.url), token: null })
    const { url, proxy, idleMs } = config
    const path = requireLoginsFile()
    // A file that cannot be used is reported before anybody types.
    const replaced = readLogins(path).byUrl.get(url)
    await write(stderr, introduction(config))
    const token = await readToken(url, { stderr, signal })
    const server = { url, token, proxy, idleMs }
    const current = await readCurrentToken(server, signal).catch((error: unknown) => {
      throw refusedToken(error, `${url} refuses the token`)
    })
    const { scope, project, expiresAt } = current
    const login = { token, scope, project: project ?? null, expiresAt }
    await changeLogins(path, (logins) => withLogin(logins, url, login), signal)
    const lines = [
      `logged in to ${url}: ${describeGrant(current)}, expires ${expiryWords(current)}`,
      ...(replaced === undefined ? [] : [replacement(replaced)]),
      `stored in ${path}; this is the default server now`,
    ]
    await write(stderr, `${lines.join('\n')}\n${precedence(url)}`)
  },
}

/** What may have named another server than the user means, and what anybody on the way can read. */
function introduction({ url, urlFrom }: ClientConfig): string {
  const from = { '--url': '', login: ' (the default server)', default: ' (the default)' }
  const named = urlFrom in from ? from[urlFrom as keyof typeof from] : ` (${urlFrom})`
  const { protocol, hostname } = new URL(url)
  const isExposed = protocol === 'http:' && !isLoopback(hostname)
  const warning = `trove: warning: the connection to ${url} is not encrypted: others on the network can read the token\n`
  return `logging in to ${url}${named}\n${isExposed ? warning : ''}`
}

async function readToken(
  url: string,
  { stderr, signal }: Pick<Invocation, 'stderr' | 'signal'>,
): Promise<string> {
  const { stdin } = process
  const text = stdin.isTTY
    ? await promptForToken(url, stdin, { stderr, signal })
    : await readTokenFrom(stdin, signal)
  // Three parts in base64url. A password that was pasted by mistake is sent to nobody.
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return text
  throw new UsageError('that is no token of a Trove server; it was not sent')
}

async function promptForToken(
  url: string,
  stdin: NodeJS.ReadStream,
  { stderr, signal }: Pick<Invocation, 'stderr' | 'signal'>,
): Promise<string> {
  const question = [
    `If ${url} has single sign-on, make a token at ${url}/account. Otherwise tokens come from an`,
    'administrator, or from whoever may write to your project:',
    `  trove token --url ${url} --project OWNER/REPO --scope read --expires 90d`,
    'Token (not shown): ',
  ].join('\n')
  try {
    const line = await readHiddenLine(stdin, async () => await write(stderr, question), signal)
    return line.trim()
  } finally {
    await write(stderr, '\n')
  }
}

function replacement({ scope, project }: Login): string {
  const grant = describeGrant({ scope, project, run: null, job: null })
  return `this replaces a token of ${grant}, which stays valid for others`
}

/** What keeps commands from using the login; nothing for most. */
function precedence(url: string): string {
  const used = readCommandConfig({ token: null })
  if (used.ci) return 'trove: warning: CI is set, so commands ignore logins here\n'
  if (used.url !== url)
    return `trove: warning: ${used.urlFrom} names ${used.url}, which commands use instead\n`
  if (used.tokenFrom !== 'login')
    return `trove: warning: ${used.tokenFrom ?? 'the ID token of the job'} is set and takes precedence over the login\n`
  return ''
}
