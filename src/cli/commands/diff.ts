/** `trove diff`: what differs between two artifacts. Both trees are fetched in their compact form and compared here by the
 *  same merge that `GET /compare` uses, because that answers 200 differences a page. */
import type { WireArtifact } from '../../api/messages.ts'
import { type Comparison, compareEntries, type Difference } from '../../browse/compare.ts'
import type { EntryReader } from '../../browse/entries.ts'
import { type FetchedTree, fetchTree } from '../../client/fetched-tree.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import type { Entry, EntryPath } from '../../core/entry.ts'
import { limits } from '../../core/limits.ts'
import { parseReference } from '../../core/reference.ts'
import { formatSizeBytes, parseSizeBytes } from '../../core/units.ts'
import type { EntryPage, StoredEntry } from '../../metadata/metadata.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { printable, write, writeJson } from '../output.ts'
import { serverContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  stat: { value: null, help: 'only counts and sizes' },
  'name-only': { value: null, help: 'only the paths that differ' },
  'fail-over': {
    value: 'LIMIT',
    help: 'exit 11 when B is larger than A by more, such as +5% or +1MiB',
  },
} as const

export const diffCommand: Command<typeof flags> = {
  name: 'diff',
  operands: 'A B',
  summary: 'Shows what differs between two artifacts: added, removed, changed, moved, mode-only.',
  flags,
  examples: [
    'trove diff 41/build 42/build',
    'trove diff latest:main/build 42/build --stat --fail-over +5%',
  ],
  exitStatuses: [3, 4, 5, 6, 10, 11],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [a, b] = takeOperands(operands, ['A', 'B'])
    const budget = given['fail-over'] === undefined ? undefined : parseBudget(given['fail-over'])
    const { server, project } = serverContext(given)
    const find = async (text: string): Promise<WireArtifact> =>
      await readArtifact(server, parseReference(text), { project, signal })
    const [base, head] = await Promise.all([find(a), find(b)])
    const [before, after] = await Promise.all([
      fetchTree(server, base, signal),
      fetchTree(server, head, signal),
    ])
    const compared = await compareEntries(readerOf([before, after]), 0, 1, signal)
    const growthBytes = head.logicalBytes - base.logicalBytes
    if (given.json) await writeJson(stdout, jsonOf(compared, base, head, given.stat))
    else if (!given.stat)
      for (const each of compared.differences) await write(stdout, lineOf(each, given['name-only']))
    if (!given['name-only'])
      await write(given.stat && !given.json ? stdout : stderr, statOf(compared, growthBytes))
    const limitBytes = budget?.(base.logicalBytes)
    if (limitBytes !== undefined && growthBytes > limitBytes) {
      const told = `grew by ${formatSizeBytes(growthBytes)}, ${formatSizeBytes(limitBytes)} were allowed`
      await write(stderr, `trove: ${printable(head.name)} ${told}\n`)
      return exitStatus.overBudget
    }
    return compared.differences.length === 0 ? exitStatus.ok : exitStatus.failure
  },
}

/** Answers a function from the size of A to the bytes that B may be larger. Errors: UsageError. */
function parseBudget(text: string): (baseBytes: number) => number {
  const percent = /^\+?(\d+(?:\.\d+)?)%$/.exec(text)?.[1]
  if (percent !== undefined) return (baseBytes) => (baseBytes * Number(percent)) / 100
  const bytes = parseSizeBytes(text.replace(/^\+/, ''))
  if (bytes === undefined)
    throw new UsageError(`--fail-over must be such as +5% or +1MiB, got ${JSON.stringify(text)}`)
  return () => bytes
}

/** Trees as the comparison reads them; the artifact ids are their positions. */
function readerOf(trees: readonly FetchedTree[]): EntryReader {
  const size = limits.manifestPageEntries
  return {
    readEntryPage: async (id: number, page: number): Promise<EntryPage | undefined> => {
      const tree = trees[id]!
      const first = page * size
      if (first >= tree.count) return undefined
      const ordinals = Array.from(
        { length: Math.min(size, tree.count - first) },
        (_, index) => first + index,
      )
      return {
        firstOrdinal: first,
        // The comparison looks at no placement, which only a server has.
        entries: ordinals.map((ordinal) => entryOf(tree, ordinal) as StoredEntry),
        modifiedAt: ordinals.map((ordinal) => tree.modifiedAt(ordinal)),
      }
    },
  } as EntryReader
}

function entryOf(tree: FetchedTree, ordinal: number): Entry {
  const path = tree.paths[ordinal] as EntryPath
  const mode = tree.mode(ordinal)
  switch (tree.kind(ordinal)) {
    case 'file':
      return {
        kind: 'file',
        path,
        mode,
        digest: tree.digest(ordinal),
        sizeBytes: tree.sizeBytes(ordinal),
      }
    case 'directory':
      return { kind: 'directory', path, mode }
    case 'symlink':
      return { kind: 'symlink', path, mode, target: tree.linkTarget(ordinal) }
  }
}

const marks: Record<Difference['kind'], string> = {
  added: 'A',
  removed: 'D',
  changed: 'M',
  moved: 'R',
  mode: 'C',
}

function lineOf({ kind, before, after }: Difference, nameOnly: boolean): string {
  const path = printable((after ?? before).entry.path)
  if (nameOnly) return `${path}\n`
  const sizes = `${sizeOf(before).padStart(10)} -> ${sizeOf(after).padEnd(10)}`
  const from = kind === 'moved' ? ` (from ${printable(before.entry.path)})` : ''
  const modes =
    kind === 'mode' ? ` (${octal(before.entry.mode)} -> ${octal(after.entry.mode)})` : ''
  return `${marks[kind]} ${sizes} ${path}${from}${modes}\n`
}

function octal(mode: number): string {
  return mode.toString(8).padStart(3, '0')
}

function sizeOf(side: Difference['before']): string {
  return side?.entry.kind === 'file' ? formatSizeBytes(side.entry.sizeBytes) : '-'
}

function statOf({ totals, complete }: Comparison, growthBytes: number): string {
  const { added, removed, changed, moved, mode, unchanged } = totals
  const sign = growthBytes < 0 ? '-' : '+'
  const size = `${sign}${formatSizeBytes(Math.abs(growthBytes))}`
  const counts = `${added} added, ${removed} removed, ${changed} changed, ${moved} moved, ${mode} mode only, ${unchanged} unchanged`
  return `${counts}; ${size}${complete ? '' : '; the list is not complete'}\n`
}

function jsonOf(
  { totals, differences, complete }: Comparison,
  base: WireArtifact,
  head: WireArtifact,
  statOnly: boolean,
): Record<string, unknown> {
  const items = differences.map(({ kind, before, after }) => ({
    kind,
    path: (after ?? before).entry.path,
    from: kind === 'moved' ? before.entry.path : null,
    beforeBytes: before?.entry.kind === 'file' ? before.entry.sizeBytes : null,
    afterBytes: after?.entry.kind === 'file' ? after.entry.sizeBytes : null,
  }))
  return {
    base: { id: base.id, name: base.name, run: base.run },
    head: { id: head.id, name: head.name, run: head.run },
    totals: { ...totals, baseBytes: base.logicalBytes, headBytes: head.logicalBytes },
    complete,
    ...(statOnly ? {} : { items }),
  }
}
