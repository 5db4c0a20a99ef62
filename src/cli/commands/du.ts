/** `trove du`: which children of a directory of an artifact take how much. */
import type { WireDirectorySizes } from '../../api/size-messages.ts'
import { readSizes } from '../../client/sizes.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { counted, formatCount, formatShare, formatSizeBytes } from '../../core/units.ts'
import { limitFlag, serverFlags, takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, writeResult } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = { ...serverFlags, limit: limitFlag } as const

export const duCommand: Command<typeof flags> = {
  operands: 'REF[:DIR]',
  summary:
    'Show the files and directories of an artifact, or of a directory in it, by size, largest first.',
  flags,
  examples: [
    'trove du 42/build',
    'trove du latest:main/build:node_modules',
    'trove du id:7 --json',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF'])
    const { reference, path } = parseEntryReference(target)
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const sizes = await readSizes(server, artifact.id, { path, limit: given.limit, signal })
    await writeResult(stdout, given, sizes, tableOf)
  },
}

/** Names are relative to the directory. */
function tableOf({ path, files, sizeBytes, children, others }: WireDirectorySizes): string {
  const rows: { files: number; sizeBytes: number; name: string }[] = children.map((child) => {
    const name =
      child.path === path ? child.path : child.path.slice(path === '' ? 0 : path.length + 1)
    return { ...child, name: name + (child.kind === 'directory' ? '/' : '') }
  })
  if (others.children > 0) rows.push({ ...others, name: `(${counted(others.children, 'other')})` })
  if (rows.length !== 1) rows.push({ files, sizeBytes, name: '(total)' })
  return formatTable(rows, [
    ['SIZE', (row) => formatSizeBytes(row.sizeBytes), 'right'],
    ['SHARE', (row) => formatShare(row.sizeBytes, sizeBytes), 'right'],
    ['FILES', (row) => formatCount(row.files), 'right'],
    ['NAME', ({ name }) => name],
  ])
}
