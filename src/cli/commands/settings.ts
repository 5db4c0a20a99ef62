/** `trove settings`: shows the settings of a project, or changes those that are given. */
import type { WireProject } from '../../api/admin-messages.ts'
import { projectApiPath } from '../../api/paths.ts'
import { requestJson } from '../../client/transport/http.ts'
import { hasCode } from '../../core/errors.ts'
import { compileLatestRule } from '../../core/policy/keep-latest.ts'
import { formatExactSize, parseSizeBytes } from '../../core/units.ts'
import { flagOf, serverFlags, UsageError } from '../arguments.ts'
import { type Command, formatColumns } from '../command.ts'
import { readCurrentToken } from '../login/current-token.ts'
import { printable, writeResult } from '../output/output.ts'
import { connect, requireProject, type ServerContext } from '../server-access.ts'

type Change = Partial<Omit<WireProject, 'name' | 'createdAt'>>

/** The value of every flag that resets a setting to the server's. */
const fromServer = 'default' as const

const flags = {
  ...serverFlags,
  'on-conflict': {
    value: 'POLICY',
    choices: ['reject', 'replace', fromServer],
    help: "what an upload by GitHub's action does when the name is taken: reject or replace",
  },
  strict: {
    value: 'SWITCH',
    choices: ['on', 'off', fromServer],
    help: 'on: jobs replace and delete only what they made themselves',
  },
  quota: {
    value: 'SIZE',
    read: orServer(quotaBytes),
    help: 'upper bound on the logical bytes of live artifacts, such as 500MB or 64GiB',
  },
  'retention-days': {
    value: 'DAYS',
    read: orServer(days),
    help: 'how long uploads that ask for nothing are kept',
  },
  'retention-min-days': {
    value: 'DAYS',
    read: orServer(days),
    help: 'the shortest time that an upload may ask for',
  },
  'retention-max-days': {
    value: 'DAYS',
    read: orServer(days),
    help: 'the longest time that an upload may ask for',
  },
  'keep-latest': {
    value: 'GLOB',
    repeats: true,
    read: latestGlob,
    help: 'BRANCH/NAME whose latest artifact does not expire; replaces all such globs; none for no glob',
  },
} as const

export const settingsCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Show the settings of a project, or change those given (scope admin). The value `default` resets one to that of the server.',
  flags,
  examples: [
    'trove settings --project octo/app',
    'trove settings --project octo/app --quota 50GiB --strict on',
    "trove settings --project octo/app --keep-latest 'main/*' --keep-latest 'release/*/site'",
    'trove settings --project octo/app --quota default --json',
  ],
  exitStatuses: [3, 5, 6, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const keepLatest = latestGlobs(given['keep-latest'])
    const { strict, 'on-conflict': onConflict } = given
    const asked: { [Name in keyof Change]: Change[Name] | undefined } = {
      onConflict: onConflict === fromServer ? null : onConflict,
      strict: strict === undefined ? undefined : strict === fromServer ? null : strict === 'on',
      quotaBytes: given.quota,
      retentionDays: given['retention-days'],
      retentionMinDays: given['retention-min-days'],
      retentionMaxDays: given['retention-max-days'],
      keepLatest,
    }
    const changes = Object.entries(asked).filter(([, value]) => value !== undefined)
    const context = await connect(given, { stderr, signal })
    const path = projectApiPath(await projectOf(context, signal))
    const request =
      changes.length === 0
        ? { path, signal }
        : { method: 'PATCH' as const, path, json: Object.fromEntries(changes), signal }
    const asking = requestJson<WireProject>(context.server, request, ['name', 'keepLatest'])
    const project = await asking.catch((error: unknown) => {
      throw inFlags(error)
    })
    await writeResult(
      stdout,
      given,
      project,
      () => `${formatColumns(rowsOf(project)).join('\n')}\n`,
    )
  },
}

/** The project of flags and environment, else of the token. Errors: UsageError. */
async function projectOf({ server, project }: ServerContext, signal: AbortSignal): Promise<string> {
  return requireProject(project ?? (await readCurrentToken(server, signal)).project)
}

/** In the order of the flags, under their names. */
function rowsOf(project: WireProject): [string, string][] {
  const { name, onConflict, strict, quotaBytes: quota, keepLatest } = project
  const globs = keepLatest?.length === 0 ? ['none'] : (keepLatest ?? [null])
  const rows: [string, string | number | null][] = [
    ['on-conflict', onConflict],
    ['strict', strict === null ? null : strict ? 'on' : 'off'],
    ['quota', quota === null ? null : formatExactSize(quota)],
    ['retention-days', project.retentionDays],
    ['retention-min-days', project.retentionMinDays],
    ['retention-max-days', project.retentionMaxDays],
    ...globs.map((glob): [string, string | null] => ['keep-latest', glob]),
  ]
  return [
    ['project', printable(name)],
    ...rows.map(([flag, value]): [string, string] => [
      flag,
      value === null ? fromServer : printable(String(value)),
    ]),
  ]
}

/** The server calls periods that contradict each other by the names of its fields. */
function inFlags(error: unknown): unknown {
  if (!hasCode(error, 'invalid_request')) return error
  const text = error.message.replaceAll(/\bretention\w*/g, (field) => `--${flagOf(field)}`)
  return new UsageError(text, { cause: error })
}

/** Errors: invalid_request. */
function latestGlob(text: string): string {
  if (text !== 'none' && text !== fromServer) compileLatestRule([text])
  return text
}

/** Errors: UsageError. */
function latestGlobs(given: readonly string[]): string[] | null | undefined {
  if (given.length === 0) return undefined
  for (const word of ['none', fromServer]) {
    if (!given.includes(word)) continue
    if (given.length > 1)
      throw new UsageError(`--keep-latest ${word} cannot be combined with other globs`)
    return word === fromServer ? null : []
  }
  return [...given]
}

function orServer<Value>(
  read: (text: string, name: string) => Value,
): (text: string, name: string) => Value | null {
  return (text, name) => (text === fromServer ? null : read(text, name))
}

/** Errors: UsageError. */
function quotaBytes(text: string, name: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes !== undefined && bytes > 0) return bytes
  const accepted = 'a size such as 500MB or 64GiB, or default'
  throw new UsageError(`${name} must be ${accepted}, got ${JSON.stringify(text)}`)
}

/** Errors: UsageError. */
function days(text: string, name: string): number {
  const count = /^\d{1,5}(?:\.\d{1,6})?$/.test(text) ? Number(text) : 0
  if (count > 0 && count <= 36_500) return count
  throw new UsageError(
    `${name} must be a number of days, at most 36500, or default, got ${JSON.stringify(text)}`,
  )
}
