/** Asks a server about the token of a command, and puts the answer into words. */
import type { WireCurrentToken } from '../../api/token-messages.ts'
import { minuteOf } from '../../api/audit-words.ts'
import { currentTokenPath } from '../../api/paths.ts'
import { openAnswer, type ServerAccess } from '../../client/transport/http.ts'
import { parseMessage } from '../../client/transport/message.ts'
import { unreadableAnswer } from '../../client/transport/foreign-answer.ts'
import { hasCode, notFound, storeError } from '../../core/errors.ts'
import { formatAccess, type ProjectAccess } from '../../core/access/project-access.ts'
import { limits } from '../../core/limits.ts'
import { counted } from '../../core/units.ts'
import { printable } from '../output/output.ts'

export interface CurrentToken extends WireCurrentToken {
  /** Epoch milliseconds by the server's clock, since clocks of laptops are wrong; NaN when the
   *  response has no date. */
  askedAt: number
}

/** Errors: unauthenticated; not_found if the server is too old to answer; those of `openAnswer`
 *  and `parseMessage`. */
export async function readCurrentToken(
  server: ServerAccess,
  signal: AbortSignal,
): Promise<CurrentToken> {
  const fields = ['id', 'scope', 'expiresAt', 'serverVersion'] as const
  try {
    const answer = await openAnswer(server, { path: currentTokenPath, signal })
    const text = (await answer.bytes()).toString()
    const token = checked(server, parseMessage<WireCurrentToken>(server, text, fields))
    return { ...token, askedAt: Date.parse(answer.header('date') ?? '') }
  } catch (error) {
    if (!hasCode(error, 'not_found')) throw error
    const what = 'description of tokens'
    throw notFound(what, `${server.url} runs an older version, without ${what}`)
  }
}

/** Puts `what` (which token was refused, and by whom) before the server's reason, if the error is a
 *  refused token. Returns other errors unchanged. */
export function refusedToken(error: unknown, what: string): unknown {
  if (!hasCode(error, 'unauthenticated')) return error
  return storeError('unauthenticated', `${what}: ${error.message}`, error.details)
}

/** Checks the fields that are printed or stored. Errors: AnswerError. */
function checked(server: ServerAccess, token: WireCurrentToken): WireCurrentToken {
  const { id, scope, project, run, attempt, job, expiresAt, serverVersion } = token
  const access = token.access ?? []
  const person = token.person ?? null
  const globs = Array.isArray(access) ? access.flatMap((each) => [each.scope, each.projects]) : [0]
  const texts = [
    id,
    scope,
    expiresAt,
    serverVersion,
    project ?? '',
    job ?? '',
    person ?? '',
    ...globs,
  ]
  const numbers = [run ?? 0, attempt ?? 0]
  const isReadable =
    // All of it is in the token, but for the version.
    texts.every((each) => typeof each === 'string' && each.length <= limits.tokenCharactersMax) &&
    numbers.every((each) => typeof each === 'number') &&
    !Number.isNaN(Date.parse(expiresAt))
  if (isReadable) return { ...token, access, person }
  throw unreadableAnswer(server, 'its description of the token')
}

/** Any scope, since a newer server may have others. */
type Grant = { scope: string; access?: ProjectAccess[] } & Pick<
  WireCurrentToken,
  'project' | 'run' | 'job'
>

/** `scope job of octo/app, run 7, job build`. Harmless on a terminal. */
export function describeGrant({ scope, project, access = [], run, job }: Grant): string {
  const parts = [
    `scope ${scope}`,
    project !== null && ` of ${project}`,
    access.length > 0 && ` of ${formatAccess(access)}`,
    run !== null && `, run ${run}`,
    job !== null && `, job ${job}`,
  ]
  return printable(parts.filter(Boolean).join(''))
}

/** `2026-12-30 03:00 UTC (in 30 days)`. */
export function expiryWords({ expiresAt, askedAt }: CurrentToken): string {
  const at = Date.parse(expiresAt)
  const minute = minuteOf(new Date(at).toISOString())
  return Number.isNaN(askedAt) ? minute : `${minute} (${fromNow(at - askedAt)})`
}

/** `in 5 hours`, `3 days ago`: rounded, in the largest unit of which there are at least two. */
function fromNow(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000)
  const unit = units.find(([, length]) => seconds >= 2 * length) ?? units.at(-1)!
  const text = counted(Math.round(seconds / unit[1]), unit[0])
  return ms < 0 ? `${text} ago` : `in ${text}`
}

const units: [noun: string, seconds: number][] = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
]

/** What the token may do, apart from a list of projects. An unknown scope, from a newer server, is
 *  named without an explanation. Harmless on a terminal. */
export function permissionWords(token: WireCurrentToken): string {
  const { scope, run, attempt, job } = token
  const project = token.project ?? 'the projects below'
  const place = `run ${run}, attempt ${attempt}, as job ${job}`
  const words: Record<string, string> = {
    job: `uploads to ${place}; deletes and replaces artifacts of that run; reads ${project}`,
    run: `uploads to ${place}; reads, deletes and replaces artifacts of that run only`,
    read: `reads ${project}`,
    write: `reads, uploads, deletes, keeps and expires artifacts of ${project}; mints tokens`,
    admin: 'everything in every project',
  }
  return printable(Object.hasOwn(words, scope) ? `${scope}: ${words[scope]}` : scope)
}
