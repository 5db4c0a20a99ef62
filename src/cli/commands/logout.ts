/** `trove logout`: forgets what `trove login` stored. */
import { revocationPath } from '../../api/paths.ts'
import { requestJson } from '../../client/transport/http.ts'
import { readCommandConfig } from '../../config/config.ts'
import { hasCode, notFound } from '../../core/errors.ts'
import { readLogins } from '../../config/logins.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import {
  changeLogins,
  removeLogins,
  requireLoginsFile,
  withoutLogin,
} from '../login/login-store.ts'
import { namedServer } from '../login/named-server.ts'
import { write } from '../output/output.ts'

const flags = {
  url: serverFlags.url,
  all: { value: null, help: 'the tokens of all servers' },
  revoke: { value: null, help: 'make the token void at its server as well, for everybody' },
} as const

export const logoutCommand: Command<typeof flags> = {
  operands: '[URL]',
  summary:
    'Forget the token that `trove login` stored for a server. The token stays valid for others who have it, unless --revoke is given.',
  flags,
  examples: [
    'trove logout',
    'trove logout https://store.example.com --revoke',
    'trove logout --all',
  ],
  exitStatuses: [3, 10],
  async run(invocation) {
    const { flags: given, operands, stderr } = invocation
    const [operand] = takeOperands(operands, [], ['URL'])
    const path = requireLoginsFile()
    const named = namedServer(operand, given.url)
    if (given.all) {
      if (named !== undefined) throw new UsageError('--all and a URL do not go together')
      await forgetAll(invocation, path)
    } else {
      await forget(invocation, path, readCommandConfig({ url: named, token: null }).url)
    }
    const variable = readCommandConfig({ token: null }).tokenFrom
    if (variable !== null && variable !== 'login')
      await write(stderr, `${variable} is set: commands still use that token\n`)
  },
}

/** Errors: not_found (none is stored), those of `revoke`; then the login stays. */
async function forget(
  { flags: { revoke: isRevoking }, stderr, signal }: Invocation<typeof flags>,
  path: string,
  url: string,
): Promise<void> {
  const { defaultUrl, byUrl } = readLogins(path)
  const login = byUrl.get(url)
  if (login === undefined) {
    const others = [...byUrl.keys()].join(', ')
    const known = byUrl.size === 0 ? '' : `; there are logins for ${others}`
    throw notFound('login', `no login is stored for ${url}${known}`)
  }
  const revoked = isRevoking ? await revoke(url, login.token, signal) : ''
  await changeLogins(path, (logins) => withoutLogin(logins, url), signal)
  await write(stderr, `logged out of ${url}${revoked}\n`)
  const next = withoutLogin({ defaultUrl, byUrl }, url).defaultUrl
  if (next !== null && next !== defaultUrl)
    await write(stderr, `${next} is the default server now\n`)
}

async function forgetAll(invocation: Invocation<typeof flags>, path: string): Promise<void> {
  if (!invocation.flags.revoke) {
    // Without reading it: this is also the way out when the file is damaged.
    removeLogins(path)
    await write(invocation.stderr, 'logged out of all servers\n')
    return
  }
  const failures: unknown[] = []
  const { byUrl } = readLogins(path)
  if (byUrl.size === 0) await write(invocation.stderr, 'no logins are stored\n')
  for (const url of byUrl.keys())
    await forget(invocation, path, url).catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw failures[0]
}

/** Returns the words to print. A token that the server no longer knows is no error. Errors:
 *  those of `requestJson`. */
async function revoke(url: string, token: string, signal: AbortSignal): Promise<string> {
  const { proxy, idleMs } = readCommandConfig({ url, token: null })
  const path = revocationPath()
  const request = { method: 'POST' as const, path, json: { token }, repeatable: true, signal }
  try {
    await requestJson({ url, token: null, proxy, idleMs }, request, [])
    return ', and revoked the token'
  } catch (error) {
    if (!hasCode(error, 'unauthenticated')) throw error
    return '; the server no longer knew the token'
  }
}
