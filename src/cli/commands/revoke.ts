/** `trove revoke`: revokes one token, or all tokens of a project. */
import type { WireRevokedToken, WireRevokedTokens } from '../../api/token-messages.ts'
import { revocationPath } from '../../api/paths.ts'
import { requestJson, type ServerAccess } from '../../client/transport/http.ts'
import { filled, serverFlags, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { describeGrant } from '../login/current-token.ts'
import { write, writeJson } from '../output/output.ts'
import { connect, serverContext } from '../server-access.ts'
import { readTokenFrom } from '../login/token-input.ts'

const flags = {
  ...serverFlags,
  id: {
    value: 'ID',
    read: filled,
    help: 'revoke the token with this id, as shown by `trove token list`',
  },
  project: { value: 'O/R', help: 'revoke all tokens of this project minted until now' },
} as const

export const revokeCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Revoke a token and all tokens derived from it: the token on stdin or of --id, or with --project all tokens of a project, including those of running jobs.',
  flags,
  examples: [
    'trove revoke < leaked-token.txt',
    'trove revoke --id 0123456789abcdef0123456789abcdef',
    'trove revoke --project octo/app',
  ],
  exitStatuses: [3, 5, 6, 9, 10],
  async run(invocation) {
    const { flags: given, stdout, stderr } = invocation
    const { revoked, summary } = await revoke(invocation)
    if (given.json) await writeJson(stdout, revoked)
    await write(stderr, `${summary}\n`)
  },
}

interface Outcome {
  revoked: WireRevokedToken | WireRevokedTokens
  summary: string
}

async function revoke(invocation: Invocation<typeof flags>): Promise<Outcome> {
  const { flags: given, stderr, signal } = invocation
  const { id, project } = given
  if (id !== undefined) {
    if (project !== undefined) throw new UsageError('--id and --project cannot be combined')
    const { server } = await connect(given, invocation)
    return await revokeOne(server, { id }, signal)
  }
  if (project !== undefined) return await revokeAll(invocation)
  // Needs no other token: the holder of a token may revoke it.
  const { server } = serverContext({ ...given, token: null }, { stderr })
  if (process.stdin.isTTY)
    throw new UsageError('pass the token on stdin (trove revoke < FILE), or use --id or --project')
  const token = await readTokenFrom(process.stdin, signal)
  return await revokeOne({ ...server, token: null }, { token }, signal)
}

async function revokeOne(
  server: ServerAccess,
  json: { id: string } | { token: string },
  signal: AbortSignal,
): Promise<Outcome> {
  const revoked = await requestJson<WireRevokedToken>(
    server,
    {
      method: 'POST',
      path: revocationPath(),
      json,
      repeatable: true,
      signal,
    },
    ['scope', 'project', 'run', 'job', 'expiresAt'],
  )
  const summary = `revoked a token of ${describeGrant(revoked)}, which would have expired at ${revoked.expiresAt}`
  return { revoked, summary }
}

async function revokeAll(invocation: Invocation<typeof flags>): Promise<Outcome> {
  const { signal } = invocation
  const { server, project } = await connect(invocation.flags, invocation)
  if (project === null) throw new UsageError('--project is missing')
  const revoked = await requestJson<WireRevokedTokens>(
    server,
    { method: 'POST', path: revocationPath(project), signal },
    ['project', 'issuedUntil'],
  )
  const summary = `revoked all tokens of ${revoked.project} that were minted at ${revoked.issuedUntil} or before`
  return { revoked, summary }
}
