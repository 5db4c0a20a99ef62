/** `trove expire`: changes when an artifact expires. */
import type { WireArtifact } from '../../api/messages.ts'
import { parseReferenceOrName } from '../../core/reference.ts'
import { formatPeriod } from '../../core/units.ts'
import { duration, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { printable, write, writeJson } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const forever = '`trove keep` keeps an artifact forever'

const flags = {
  ...serverFlags,
  in: { value: 'TIME', read: readDelay, help: 'time from now, such as 7d, 12h or 0s' },
  'dry-run': { value: null, short: 'n', help: 'show when it would expire, and change nothing' },
} as const

export const expireCommand: Command<typeof flags> = {
  operands: 'REF --in TIME',
  summary: 'Change when an artifact expires.',
  flags,
  examples: ['trove expire 42/build --in 7d', 'trove expire id:7 --in 0s'],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [text, time] = takeOperands(operands, ['REF'], ['TIME'])
    const delayMs = given.in
    if (time !== undefined || delayMs === undefined)
      throw new UsageError(`write when it expires as --in 7d; ${forever}`)
    const { client, artifact: found } = await connectTo(given, parseReferenceOrName(text), {
      stderr,
      signal,
    })
    const dryRun = given['dry-run']
    // Relative to the server's clock: with a slow clock here, an absolute time could expire the
    // artifact at once, which cannot be undone.
    const change = { expiresInSeconds: Math.floor(delayMs / 1000), dryRun }
    const artifact = await client.retain(found.id, change, signal)
    if (given.json) await writeJson(stdout, artifact)
    const verb = dryRun ? 'would expire' : 'expires'
    const longestMs = artifact.expiresInSecondsMax * 1000
    const longest =
      delayMs > longestMs ? ` (in ${formatPeriod(longestMs)}, the longest allowed)` : ''
    const summary = `${printable(artifact.name)} ${verb} at ${artifact.expiresAt}${longest}${heldUpBy(artifact)}`
    await write(stderr, `id:${artifact.id} ${summary}\n`)
  },
}

function readDelay(text: string, name: string): number {
  if (text === 'never') throw new UsageError(`${name} must be a duration such as 7d; ${forever}`)
  return duration(0)(text, name)
}

function heldUpBy({ pinned, keptLatest }: WireArtifact): string {
  if (pinned) return ' once released with `trove keep --release`: it is kept'
  return keptLatest ? ' once its branch has a newer artifact: it is kept as the latest' : ''
}
