/** `trove ls`: lists the entries of an artifact, or of a directory in it. */
import type { WireEntry } from '../../api/messages.ts'
import { directoryPath } from '../../api/paths.ts'
import { listItems } from '../../client/list-items.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { readEntries } from '../../client/read-entries.ts'
import { hasCode } from '../../core/errors.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { jsonArrayOf, printable, writeAll } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = {
  ...serverFlags,
  long: { value: null, short: 'l', help: 'also show mode, size and time' },
  recursive: { value: null, short: 'R', help: 'list everything below, with paths from the root' },
} as const

export const lsCommand: Command<typeof flags> = {
  operands: 'REF[:DIR]',
  summary: 'List the entries of an artifact, or of a directory in it.',
  flags,
  examples: ['trove ls 42/build', 'trove ls -l latest:main/build:dist', 'trove ls -R id:7 --json'],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF'])
    const { reference, path } = parseEntryReference(target)
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const entries = given.recursive
      ? readEntries(server, artifact.id, { under: path, files: artifact.files, signal })
      : listChildren(server, artifact.id, { path, signal })
    if (given.json) return await writeAll(stdout, jsonArrayOf(entries))
    const prefix = given.recursive || path === '' ? '' : `${path}/`
    const lines = async function* (): AsyncGenerator<string> {
      for await (const entry of entries) yield `${formatEntry(entry, prefix, given.long)}\n`
    }
    await writeAll(stdout, lines())
  },
}

async function* listChildren(
  server: ServerAccess,
  artifactId: number,
  { path, signal }: { path: string; signal: AbortSignal },
): AsyncGenerator<WireEntry, void, undefined> {
  try {
    yield* listItems<WireEntry>(server, { path: directoryPath(artifactId, path), signal })
  } catch (error) {
    // Like ls(1), also accepts a file.
    if (!hasCode(error, 'not_found')) throw error
    yield* readEntries(server, artifactId, { under: path, signal })
  }
}

function formatEntry(entry: WireEntry, prefix: string, isLong: boolean): string {
  const name = entry.path.startsWith(prefix) ? entry.path.slice(prefix.length) : entry.path
  const shown = printable(name) + (entry.kind === 'directory' ? '/' : '')
  if (!isLong) return shown
  const size = entry.kind === 'file' ? String(entry.sizeBytes) : '-'
  const time = entry.modifiedAt === null ? '-' : entry.modifiedAt.slice(0, 16).replace('T', ' ')
  const target = entry.kind === 'symlink' ? ` -> ${printable(entry.target)}` : ''
  return `${modeText(entry)}  ${size.padStart(12)}  ${time.padEnd(16)}  ${shown}${target}`
}

/** Formats a mode like ls(1): `-rwxr-xr-x`. */
function modeText(entry: WireEntry): string {
  const kind = { file: '-', directory: 'd', symlink: 'l' }[entry.kind]
  const bits = Number.parseInt(entry.mode, 8)
  return (
    kind +
    Array.from('rwxrwxrwx', (letter, index) => ((bits >> (8 - index)) & 1 ? letter : '-')).join('')
  )
}
