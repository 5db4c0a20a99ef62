/** `trove audit`: who deleted something, or changed what others rely on; newest first. */
import { actorWords, minuteOf, originOf, shortTokenId, wordsOf } from '../../api/audit-words.ts'
import type { WireAct } from '../../api/audit.ts'
import { auditPath } from '../../api/paths.ts'
import { listItems, takeFirst } from '../../client/list-items.ts'
import { actKinds, tokenIdRule, tokenIdStart } from '../../core/audit.ts'
import { parsePositiveInteger } from '../../core/run/run.ts'
import { filled, limitFlag, serverFlags, UsageError } from '../arguments.ts'
import { parseSince } from '../artifact-filter.ts'
import type { Command } from '../command.ts'
import { formatTable, write, writeCut, writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

const flags = {
  ...serverFlags,
  project: {
    value: 'O/R',
    help: "only acts on this project (default: the token's, or all for scope admin)",
  },
  kind: {
    value: 'KIND',
    choices: actKinds,
    help: `only acts of this kind: ${actKinds.join(', ')}`,
  },
  artifact: { value: 'ID', read: parsePositiveInteger, help: 'only acts on this artifact' },
  'token-id': {
    value: 'ID',
    read: readTokenId,
    help: 'only acts by this token or on it; the first 8 digits suffice',
  },
  since: {
    value: 'TIME',
    read: parseSince,
    help: 'only acts since then, such as 7d or 2026-11-29',
  },
  limit: limitFlag,
} as const

export const auditCommand: Command<typeof flags> = {
  operands: '',
  summary:
    'Show who deleted, kept, replaced or changed what, minted or revoked tokens, signed in to the pages, or started maintenance by hand; newest first.',
  flags,
  examples: [
    'trove audit --project octo/app',
    'trove audit --kind delete --since 7d',
    'trove audit --artifact 42 --json',
  ],
  exitStatuses: [3, 5, 6, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const { project, kind, artifact, since, limit } = given
    const query = { project, kind, artifact, token: given['token-id'], since }
    const { server } = await connect({ url: given.url, project }, { stderr, signal })
    const acts = listItems<WireAct>(server, { path: auditPath, query, signal }, limit + 1)
    const { items, isCut } = await takeFirst(acts, limit)
    await writeResult(stdout, given, items, actTable)
    if (items.length === 0) await write(stderr, 'no matching entries\n')
    if (isCut) await writeCut(stderr, `the newest ${limit}`)
  },
}

/** Errors: UsageError. */
function readTokenId(text: string, name: string): string {
  if (tokenIdStart.test(filled(text, name))) return text
  throw new UsageError(`${name} ${tokenIdRule}, got ${JSON.stringify(text)}`)
}

function actTable(items: WireAct[]): string {
  return formatTable(items, [
    ['WHEN', ({ at }) => minuteOf(at)],
    ['PROJECT', ({ project }) => project ?? ''],
    ['WHO', actorWords],
    ['TOKEN', ({ by }) => shortTokenId(by?.tokenIds[0] ?? '')],
    ['VIA', originOf],
    ['WHAT', whatWords],
  ])
}

function whatWords(act: WireAct): string {
  const { did, what, how = '' } = wordsOf(act)
  return `${did} ${what}${how}`
}
