/** `trove rm`: deletes artifacts, or undoes that. */
import type { WireArtifact } from '../../client/client.ts'
import { findDeleted, readArtifact } from '../../client/find-artifact.ts'
import { parseReference, type Reference } from '../../core/reference.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { printable, write, writeJson } from '../output/output.ts'
import { connect, type ServerContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  'dry-run': { value: null, short: 'n', help: 'show what would be freed, and delete nothing' },
  undo: { value: null, help: 'restore deleted artifacts, within the undo period (TROVE_UNDO)' },
} as const

type RmInvocation = Invocation<typeof flags>

export const rmCommand: Command<typeof flags> = {
  name: 'rm',
  operands: 'REF...',
  summary:
    'Delete artifacts and show how many bytes that frees. A deletion can be undone for a while.',
  flags,
  examples: [
    'trove rm 42/build',
    'trove rm id:7 id:8',
    'trove rm -n latest:main/build',
    'trove rm --undo 42/build',
  ],
  exitStatuses: [3, 4, 5, 6, 7, 9, 10],
  async run(invocation) {
    const { flags: given, operands } = invocation
    if (operands.length === 0) throw new UsageError('REF is missing')
    if (given.undo && given['dry-run'])
      throw new UsageError('--undo and --dry-run cannot be combined')
    const references = operands.map(parseReference)
    const context = await connect(given, invocation.signal)
    await (given.undo ? restore : remove)(invocation, context, references)
    return exitStatus.ok
  },
}

async function remove(
  { flags: given, stdout, stderr, signal }: RmInvocation,
  { server, client, project }: ServerContext,
  references: Reference[],
): Promise<void> {
  const found = new Map<number, WireArtifact>()
  // Looks up all of them before deleting any, so that a mistyped one deletes nothing.
  for (const reference of references) {
    const artifact = await readArtifact(server, reference, { project, signal })
    found.set(artifact.id, artifact)
  }
  const artifacts = [...found.values()]
  const dryRun = given['dry-run']
  const { freedBytes, sharedBytes, undoUntil } = await client.removeAll([...found.keys()], {
    dryRun,
    signal,
  })
  for (const { id, name, files, logicalBytes, pinned } of artifacts) {
    const size = `${counted(files, 'file')}, ${formatSizeBytes(logicalBytes)}`
    const verb = dryRun ? 'would delete' : 'deleted'
    const kept = pinned ? ', which is kept' : ''
    await write(stderr, `${verb} id:${id} ${printable(name)}${kept} (${size})\n`)
  }
  // Jobs may delete but not undo, which is for people.
  const undo = '`trove rm --undo` with a token of scope write'
  const until = undoUntil === null ? '' : `; ${undo} restores it until ${undoUntil}`
  const verb = dryRun ? 'would free' : 'frees'
  const shared = sharedBytes > 0 ? `; ${formatSizeBytes(sharedBytes)} is shared and stays` : ''
  await write(stderr, `${verb} ${formatSizeBytes(freedBytes)}${shared}${until}\n`)
  if (!given.json) return
  const items = artifacts.map(({ id, name, logicalBytes }) => ({
    artifactId: id,
    name,
    logicalBytes,
    deleted: !dryRun,
  }))
  await writeJson(stdout, { items, freedBytes, sharedBytes, undoUntil })
}

async function restore(
  { flags: given, stdout, stderr, signal }: RmInvocation,
  { server, client, project }: ServerContext,
  references: Reference[],
): Promise<void> {
  const ids = new Set<number>()
  for (const reference of references)
    ids.add(await findDeleted(server, reference, { project, signal }))
  const restored = []
  for (const id of ids) {
    const artifact = await client.restore(id, signal)
    restored.push(artifact)
    await write(stderr, `id:${id} ${printable(artifact.name)} restored\n`)
  }
  if (given.json) await writeJson(stdout, restored)
}
