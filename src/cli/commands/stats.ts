/** `trove stats`: shows what the store holds and how much each layer saved. */
import type { WireStats } from '../../api/admin-messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { requestJson } from '../../client/transport/http.ts'
import { formatCount, formatSizeBytes } from '../../core/units.ts'
import { serverFlags } from '../arguments.ts'
import { type Command, formatColumns } from '../command.ts'
import { writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

export const statsCommand: Command<typeof serverFlags> = {
  operands: '',
  summary: 'Show what the store holds and how much deduplication and compression saved.',
  flags: {
    ...serverFlags,
    project: {
      value: 'O/R',
      help: "only this project (default: the sum over the token's, or the whole store for scope admin)",
    },
  },
  examples: ['trove stats', 'trove stats --project octo/app', 'trove stats --json'],
  exitStatuses: [3, 5, 6, 9, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const { server } = await connect(given, { stderr, signal })
    const query = { project: given.project }
    const stats = await requestJson<WireStats>(
      server,
      { path: `${apiRoot}/stats`, query, signal },
      ['artifacts', 'savedBy'],
    )
    await writeResult(stdout, given, stats, () => `${formatColumns(statRows(stats)).join('\n')}\n`)
  },
}

/** Negative if framing of incompressible data, or uploads in progress, take more than compression
 *  saves. */
function compressionRow(saved: number | null): [string, number | null] {
  return saved !== null && saved < 0
    ? ['  added: packing, uploads', -saved]
    : ['  saved: compression', saved]
}

function statRows(stats: WireStats): [string, string][] {
  const { savedBy } = stats
  const rows: [string, number | string | null][] = [
    ['artifacts', formatCount(stats.artifacts)],
    ['files', formatCount(stats.files)],
    ['logical', stats.logicalBytes],
    ['  deleted, not yet free', stats.removedBytes === 0 ? null : stats.removedBytes],
    ['  saved: whole files', savedBy.wholeFile],
    ['unique files', stats.uniqueBytes],
    ['  saved: chunks', savedBy.chunk],
    compressionRow(savedBy.compression),
    ['live in packs', stats.liveBytes],
    ['dead in packs', stats.deadBytes],
    ['stored', stats.storedBytes],
    ['packs', stats.packs === null ? null : formatCount(stats.packs)],
    ['dedup ratio', `${stats.dedupRatio.toFixed(2)}x`],
  ]
  return rows.flatMap(([label, value]): [string, string][] => {
    if (value === null) return []
    return [[label, (typeof value === 'number' ? formatSizeBytes(value) : value).padStart(12)]]
  })
}
