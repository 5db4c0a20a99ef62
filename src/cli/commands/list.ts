/** `trove list`: lists artifacts, newest first. */
import type { WireArtifact } from '../../api/messages.ts'
import { apiRoot } from '../../api/paths.ts'
import { readItems } from '../../client/list-items.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { limitFlag, serverFlags } from '../arguments.ts'
import { filterFlags, filterOf } from '../artifact-filter.ts'
import type { Command } from '../command.ts'
import { expiryCell } from '../output/expiry-cell.ts'
import { type Column, formatTable, write, writeCut, writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

const states = ['available', 'damaged', 'expired', 'deleted', 'any'] as const
const orders = ['newest', 'oldest', 'largest', 'expiring'] as const

const flags = {
  ...serverFlags,
  ...filterFlags,
  state: {
    value: 'STATE',
    choices: states,
    help: 'only artifacts in this state: available, damaged, expired, deleted or any (default: available and damaged)',
  },
  secrets: { value: null, help: 'only artifacts that contain credentials not yet dismissed' },
  sort: { value: 'ORDER', choices: orders, help: 'newest (default), oldest, largest or expiring' },
  limit: limitFlag,
} as const

export const listCommand: Command<typeof flags> = {
  operands: '',
  summary: 'List artifacts.',
  flags,
  examples: ['trove list', 'trove list --branch main --name build', 'trove list --run 42 --json'],
  exitStatuses: [3, 5, 6, 9, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const { server, project } = await connect(
      { url: given.url, project: given.project },
      { stderr, signal },
    )
    const narrowing = filterOf(given)
    const { state, sort } = given
    const query = { project, ...narrowing, state, sort, ...(given.secrets && { secrets: true }) }
    const request = { path: `${apiRoot}/artifacts`, query, signal }
    const { items, total } = await readItems<WireArtifact>(server, request, given.limit)
    await writeResult(stdout, given, items, () => artifactTable(items, project === null))
    if (items.length === 0) await write(stderr, 'no artifacts match\n')
    if (items.length < total) await writeCut(stderr, `${items.length} of ${total}`)
  },
}

const projectColumn: Column<WireArtifact> = ['PROJECT', ({ project }) => project]
const attemptColumn: Column<WireArtifact> = ['ATTEMPT', ({ attempt }) => String(attempt), 'right']

function artifactTable(items: WireArtifact[], ofAllProjects: boolean): string {
  const hasRepeatedRuns = items.some(({ attempt }) => attempt > 1)
  return formatTable(items, [
    ['ID', ({ id }) => String(id), 'right'],
    ...(ofAllProjects ? [projectColumn] : []),
    ['RUN', ({ run }) => String(run), 'right'],
    ...(hasRepeatedRuns ? [attemptColumn] : []),
    ['NAME', ({ name }) => name],
    ['JOB', ({ job }) => job],
    ['FILES', ({ files }) => String(files), 'right'],
    ['SIZE', ({ logicalBytes }) => formatSizeBytes(logicalBytes), 'right'],
    ['NEW', ({ newBytes }) => formatSizeBytes(newBytes), 'right'],
    ['STATE', ({ state }) => state],
    ['EXPIRES', expiryCell],
  ])
}
