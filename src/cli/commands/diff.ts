/** `trove diff`: shows the differences between two artifacts. The server compares; only
 *  differences are transferred. */
import type { WireComparisonHead, WireDifference } from '../../api/comparison-messages.ts'
import type { WireEntry } from '../../api/messages.ts'
import { type ReceivedComparison, readComparison } from '../../client/comparison.ts'
import { parseReferenceOrName } from '../../core/reference.ts'
import { formatDelta, formatSizeBytes, parseSizeBytes } from '../../core/units.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { printable, unlessUnread, write, writeAll, writeJson } from '../output/output.ts'
import { connect, inRun } from '../server-access.ts'

const flags = {
  ...serverFlags,
  stat: { value: null, help: 'show only counts and sizes' },
  'name-only': { value: null, help: 'show only the paths that differ' },
  'fail-over': {
    value: 'LIMIT',
    read: parseBudget,
    help: 'exit 11 when B is larger than A by more than LIMIT, such as +5% or +1MiB',
  },
} as const

export const diffCommand: Command<typeof flags> = {
  operands: 'A B',
  summary:
    'Show the differences between two artifacts, each given as REF: entries added, removed, changed, moved, or with another mode.',
  flags,
  examples: [
    'trove diff 41/build 42/build',
    'trove diff latest:main/build 42/build --stat --fail-over +5%',
  ],
  exitStatuses: [3, 4, 5, 6, 10, 11],
  alsoMeans: { 1: 'they differ' },
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [a, b] = takeOperands(operands, ['A', 'B'])
    if (given.stat && given['name-only'])
      throw new UsageError('--stat and --name-only cannot be combined')
    const [before, after] = [parseReferenceOrName(a), parseReferenceOrName(b)]
    const { server, config, project } = await connect(given, { stderr, signal })
    const references = { base: inRun(before, config), head: inRun(after, config) }
    const compared = await readComparison(server, references, { project, signal })
    const { base, head, totals } = compared.head
    if (given.json) await unlessUnread(writeJson(stdout, await jsonOf(compared, given.stat)))
    else if (!given.stat)
      await unlessUnread(writeAll(stdout, linesOf(compared.differences, given['name-only'])))
    const statOut = given.stat && !given.json ? stdout : stderr
    if (!given['name-only']) await unlessUnread(write(statOut, statOf(compared.head)))
    const growthBytes = totals.headBytes - totals.baseBytes
    const limitBytes = given['fail-over']?.(totals.baseBytes)
    if (limitBytes !== undefined && growthBytes > limitBytes) {
      const growth = `grew by ${formatSizeBytes(growthBytes)}; the limit is ${formatSizeBytes(limitBytes)}`
      const what = `${printable(head.name)} of run ${head.run} compared with run ${base.run}`
      await write(stderr, `trove: ${what} ${growth}\n`)
      return exitStatus.overBudget
    }
    return compared.head.differences === 0 ? exitStatus.ok : exitStatus.failure
  },
}

/** Returns a function from the size of A to the bytes that B may be larger by. Errors:
 *  UsageError. */
function parseBudget(text: string, name: string): (baseBytes: number) => number {
  const percent = /^\+?(\d+(?:\.\d+)?)%$/.exec(text)?.[1]
  if (percent !== undefined) return (baseBytes) => (baseBytes * Number(percent)) / 100
  // A number alone could be meant as either.
  const hasUnit = /[a-z]$/i.test(text)
  const bytes = hasUnit ? parseSizeBytes(text.replace(/^\+/, '')) : undefined
  if (bytes === undefined)
    throw new UsageError(
      `${name} must be a limit with its unit such as +5%, +1MiB or 0B, got ${JSON.stringify(text)}`,
    )
  return () => bytes
}

const marks: Record<WireDifference['kind'], string> = {
  added: 'A',
  removed: 'D',
  changed: 'M',
  moved: 'R',
  mode: 'C',
}

async function* linesOf(
  differences: AsyncIterable<WireDifference>,
  nameOnly: boolean,
): AsyncGenerator<string> {
  for await (const difference of differences) yield lineOf(difference, nameOnly)
}

function lineOf({ kind, path, from, before, after }: WireDifference, nameOnly: boolean): string {
  if (nameOnly) return `${printable(path)}\n`
  const sizes = `${sizeOf(before).padStart(10)} -> ${sizeOf(after).padEnd(10)}`
  const source = from === null ? '' : ` (from ${printable(from)})`
  const modes = kind === 'mode' ? ` (${before?.mode} -> ${after?.mode})` : ''
  return `${marks[kind]} ${sizes} ${printable(path)}${source}${modes}\n`
}

function sizeOf(side: WireEntry | null): string {
  return side?.kind === 'file' ? formatSizeBytes(side.sizeBytes) : '-'
}

function statOf({ totals, complete }: WireComparisonHead): string {
  const { added, removed, changed, moved, mode, unchanged, baseBytes, headBytes } = totals
  const size = formatDelta(headBytes - baseBytes)
  const counts = `${added} added, ${removed} removed, ${changed} changed, ${moved} moved, ${mode} mode only, ${unchanged} unchanged`
  return `${counts}; ${size}${complete ? '' : '; the list is not complete'}\n`
}

async function jsonOf(
  { head: { base, head, totals, complete }, differences }: ReceivedComparison,
  statOnly: boolean,
): Promise<Record<string, unknown>> {
  const bytesOf = (side: WireEntry | null): number | null =>
    side?.kind === 'file' ? side.sizeBytes : null
  const items: unknown[] = []
  if (!statOnly) {
    for await (const { kind, path, from, before, after } of differences) {
      items.push({ kind, path, from, beforeBytes: bytesOf(before), afterBytes: bytesOf(after) })
    }
  }
  return {
    base: { id: base.id, name: base.name, run: base.run },
    head: { id: head.id, name: head.name, run: head.run },
    totals,
    complete,
    ...(statOnly ? {} : { items }),
  }
}
