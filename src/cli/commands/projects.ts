/** `trove projects`: lists the projects that the token may read, with their sizes. */
import type { WireProjectList } from '../../api/admin-messages.ts'
import { projectsPath } from '../../api/paths.ts'
import { readItems } from '../../client/list-items.ts'
import { formatCount, formatSizeBytes } from '../../core/units.ts'
import { limitFlag, serverFlags } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, write, writeCut, writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

type Items = WireProjectList['items']

const flags = {
  url: serverFlags.url,
  json: serverFlags.json,
  name: { value: 'TEXT', help: 'only projects whose name contains this text' },
  sort: {
    value: 'ORDER',
    choices: ['name', 'artifacts', 'size', 'unique'],
    help: 'name (default), or the most artifacts, size or unique bytes first',
  },
  limit: limitFlag,
} as const

export const projectsCommand: Command<typeof flags> = {
  operands: '',
  summary: 'List the projects that the token may read, with their sizes.',
  flags,
  examples: ['trove projects', 'trove projects --sort size --limit 10', 'trove projects --json'],
  exitStatuses: [5, 9, 10],
  async run({ flags: given, stdout, stderr, signal }) {
    const { server } = await connect({ url: given.url }, { stderr, signal })
    const { name, sort } = given
    const request = { path: projectsPath, query: { name, sort }, signal }
    const { items, total } = await readItems<Items[number]>(server, request, given.limit)
    await writeResult(stdout, given, items, projectTable)
    if (items.length === 0) await write(stderr, 'no projects match\n')
    if (items.length < total) await writeCut(stderr, `${items.length} of ${total}`)
  },
}

function projectTable(items: Items): string {
  return formatTable(items, [
    ['PROJECT', ({ name }) => name],
    ['ARTIFACTS', ({ artifacts }) => formatCount(artifacts), 'right'],
    ['FILES', ({ files }) => formatCount(files), 'right'],
    ['SIZE', ({ logicalBytes }) => formatSizeBytes(logicalBytes), 'right'],
    ['UNIQUE', ({ dedupedBytes }) => formatSizeBytes(dedupedBytes), 'right'],
  ])
}
