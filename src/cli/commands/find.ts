/** `trove find`: finds the artifacts that contain a file, by its digest. Of a local file only
 *  the digest is sent. */
import type { WireHolder } from '../../api/messages.ts'
import { listHolders } from '../../client/artifacts.ts'
import { digestOfFile } from '../../client/files/digest-of-file.ts'
import { takeFirst } from '../../client/list-items.ts'
import { type Digest, parseDigest, parseWireDigest } from '../../core/bytes/digest.ts'
import { notFound } from '../../core/errors.ts'
import { limitFlag, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, writeCut, writeResult } from '../output/output.ts'
import { connect } from '../server-access.ts'

const flags = { ...serverFlags, limit: limitFlag } as const

export const findCommand: Command<typeof flags> = {
  operands: 'FILE|DIGEST',
  summary: 'Find the artifacts that contain a file, newest first; only its SHA-256 is sent.',
  flags,
  examples: [
    'trove find ./app',
    'trove find sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
    'curl -sL https://example.com/app | trove find -',
  ],
  exitStatuses: [3, 5, 6, 9, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['FILE|DIGEST'])
    const named = digestGiven(target)
    const { server, project } = await connect(given, { stderr, signal })
    const digest = named ?? (await digestOfFile(target, { signal }))
    const holders = listHolders(server, digest, { project, signal })
    const { items: found, isCut } = await takeFirst(holders, given.limit)
    await writeResult(stdout, given, found, holderTable)
    if (found.length === 0)
      throw notFound(target, `no artifact that you can read contains sha256:${digest}`)
    if (isCut) await writeCut(stderr, `the newest ${given.limit}`)
  },
}

/** Errors: UsageError for a malformed digest, which cannot be meant as a file name. */
function digestGiven(target: string): Digest | undefined {
  const digest = parseWireDigest(target) ?? parseDigest(target)
  if (digest !== undefined || !target.startsWith('sha256:')) return digest
  throw new UsageError(
    `a digest is sha256: followed by 64 lowercase hex digits, got ${JSON.stringify(target)}`,
  )
}

function holderTable(holders: WireHolder[]): string {
  return formatTable(holders, [
    ['ID', ({ id }) => String(id), 'right'],
    ['PROJECT', ({ project }) => project],
    ['RUN', ({ run }) => String(run), 'right'],
    ['NAME', ({ name }) => name],
    ['PATH', ({ path }) => path ?? '-'],
    ['BRANCH', ({ branch }) => branch ?? '-'],
    ['COMMIT', ({ sha }) => sha?.slice(0, 12) ?? '-'],
    ['UPLOADED', ({ createdAt }) => createdAt.slice(0, 10)],
  ])
}
