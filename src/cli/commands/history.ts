/** `trove history`: the versions of one file over the artifacts of a name, and since which run each
 *  has been there. */
import type { WireFileVersion } from '../../api/history-messages.ts'
import { listVersions } from '../../client/artifacts.ts'
import { takeFirst } from '../../client/list-items.ts'
import { parseEntryPath } from '../../core/manifest/entry.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { limitFlag, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, writeCut, writeResult } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = { ...serverFlags, limit: limitFlag } as const

export const historyCommand: Command<typeof flags> = {
  operands: 'REF:PATH',
  summary:
    'List the versions of a file, newest first, in this artifact and earlier ones with its name and branch.',
  flags,
  examples: [
    'trove history latest:main/build:dist/app.js',
    'trove history 42/build:package-lock.json --limit 1 --json',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF:PATH'])
    const { reference, path } = parseEntryReference(target)
    if (path === '') throw new UsageError('write REF:PATH: the history is that of one file')
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const all = listVersions(server, artifact.id, { path: parseEntryPath(path), signal })
    const { items: versions, isCut } = await takeFirst(all, given.limit)
    await writeResult(stdout, given, versions, tableOf)
    if (isCut) await writeCut(stderr, `the newest ${given.limit}`)
  },
}

function tableOf(versions: WireFileVersion[]): string {
  return formatTable(versions, [
    ['SINCE', ({ oldest }) => oldest.createdAt.slice(0, 16).replace('T', ' ')],
    ['RUN', ({ oldest }) => String(oldest.run), 'right'],
    ['COMMIT', ({ oldest }) => oldest.sha?.slice(0, 12) ?? '-'],
    [
      'SIZE',
      ({ entry }) => (entry?.kind === 'file' ? formatSizeBytes(entry.sizeBytes) : '-'),
      'right',
    ],
    ['MODE', ({ entry }) => entry?.mode ?? '-'],
    ['CONTENT', ({ entry }) => contentText(entry)],
    ['ARTIFACTS', ({ artifacts }) => String(artifacts), 'right'],
  ])
}

function contentText(entry: WireFileVersion['entry']): string {
  if (entry === null) return '(absent)'
  if (entry.kind === 'symlink') return `-> ${entry.target}`
  return entry.kind === 'file' ? entry.digest.slice(0, 'sha256:'.length + 12) : '(directory)'
}
