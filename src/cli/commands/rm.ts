/** `trove rm`: deletes artifacts or whole runs, or undoes that. */
import { readRun, removeRun } from '../../client/artifacts.ts'
import type { WireArtifact, WireBulkDeletion } from '../../client/client.ts'
import { findDeleted, readArtifact } from '../../client/find-artifact.ts'
import { withinBound } from '../../client/list-items.ts'
import { hasCode, notFound } from '../../core/errors.ts'
import {
  parseReferenceOrName,
  parseRunOnly,
  type Reference,
  type RunReference,
} from '../../core/reference.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { printable, write, writeJson } from '../output/output.ts'
import { connect, inRun, type ServerContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  'dry-run': { value: null, short: 'n', help: 'show what would be freed, and delete nothing' },
  'include-kept': { value: null, help: 'with @RUN: delete kept artifacts too' },
  undo: { value: null, help: 'restore deleted artifacts, within the undo period (TROVE_UNDO)' },
} as const

type RmInvocation = Invocation<typeof flags>

export const rmCommand: Command<typeof flags> = {
  operands: 'REF...|@RUN',
  summary:
    'Delete artifacts, or a run with its artifacts and its record, and show how many bytes that frees. The deletion of an artifact can be undone for a while, that of the record cannot.',
  flags,
  examples: [
    'trove rm 42/build',
    'trove rm id:7 id:8',
    'trove rm -n latest:main/build',
    'trove rm --undo 42/build',
    'trove rm -n @42',
    'trove rm @42',
    'trove rm --undo @42',
  ],
  exitStatuses: [3, 4, 5, 6, 7, 9, 10],
  async run(invocation) {
    const { flags: given, operands } = invocation
    if (operands.length === 0) throw new UsageError('REF or @RUN is missing')
    if (given.undo && given['dry-run'])
      throw new UsageError('--undo and --dry-run cannot be combined')
    const run = operands.map(parseRunOnly).find((each) => each !== undefined)
    if (run !== undefined && operands.length > 1)
      throw new UsageError('@RUN cannot be combined with other arguments')
    if (given['include-kept'] && (run === undefined || given.undo))
      throw new UsageError('--include-kept works only when deleting @RUN')
    const named = run === undefined ? operands.map(parseReferenceOrName) : []
    const context = await connect(given, invocation)
    if (run !== undefined)
      return await (given.undo ? restoreWhole : removeWhole)(invocation, context, run)
    const references = named.map((each) => inRun(each, context.config))
    await (given.undo ? restore : remove)(invocation, context, references)
  },
}

async function remove(
  invocation: RmInvocation,
  { server, client, project }: ServerContext,
  references: Reference[],
): Promise<void> {
  const { flags: given, stderr, signal } = invocation
  const found = new Map<number, WireArtifact>()
  // Looks up all of them before deleting any, so that a mistyped one deletes nothing.
  for (const reference of references) {
    const artifact = await readArtifact(server, reference, { project, signal })
    found.set(artifact.id, artifact)
  }
  const artifacts = [...found.values()]
  const dryRun = given['dry-run']
  const deletion = await client.removeAll([...found.keys()], { dryRun, signal })
  for (const { id, name, files, logicalBytes, pinned } of artifacts) {
    const size = `${counted(files, 'file')}, ${formatSizeBytes(logicalBytes)}`
    const verb = dryRun ? 'would delete' : 'deleted'
    const kept = pinned ? ', which is kept' : ''
    await write(stderr, `${verb} id:${id} ${printable(name)}${kept} (${size})\n`)
  }
  await report(invocation, { ...deletion, items: artifacts })
}

async function removeWhole(
  invocation: RmInvocation,
  { server, project: given }: ServerContext,
  run: RunReference,
): Promise<void> {
  const { flags, stderr, signal } = invocation
  const { project, record } = await readRun(server, run.run, {
    project: run.project ?? given,
    signal,
  })
  const dryRun = flags['dry-run']
  const includeKept = flags['include-kept']
  const deletion = await removeRun(server, run.run, { project, dryRun, includeKept, signal })
  const verb = dryRun ? 'would delete' : 'deleted'
  for (const { id, name, logicalBytes } of deletion.items)
    await write(stderr, `${verb} id:${id} ${printable(name)} (${formatSizeBytes(logicalBytes)})\n`)
  if (record !== null) await write(stderr, `${verb} the record of run ${run.run} for good\n`)
  if (deletion.items.length === 0) await write(stderr, `run ${run.run} has no artifacts\n`)
  await report(invocation, deletion)
}

/** Says what a deletion of `items` frees, and how it is undone. */
async function report(
  { flags: given, stdout, stderr }: RmInvocation,
  {
    items: deleted,
    freedBytes,
    sharedBytes,
    undoUntil,
  }: Pick<WireBulkDeletion, 'freedBytes' | 'sharedBytes' | 'undoUntil'> & {
    items: readonly { id: number; name: string; logicalBytes: number }[]
  },
): Promise<void> {
  const dryRun = given['dry-run']
  // Jobs may delete but not undo, which is for people.
  const undo = '`trove rm --undo` with a token of scope write'
  const isUndoable = undoUntil !== null && deleted.length > 0
  const them = deleted.length === 1 ? 'it' : 'them'
  const until = isUndoable ? `; ${undo} restores ${them} until ${undoUntil}` : ''
  const verb = dryRun ? 'would free' : 'frees'
  const shared = sharedBytes > 0 ? `; ${formatSizeBytes(sharedBytes)} is shared and stays` : ''
  await write(stderr, `${verb} ${formatSizeBytes(freedBytes)}${shared}${until}\n`)
  if (!given.json) return
  const items = deleted.map(({ id, name, logicalBytes }) => ({
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

/** Restores the newest deleted artifact of each name and attempt of a run that has no live one.
 *  Those deleted too long ago are reported. Errors: not_found (the run has no deleted artifacts),
 *  artifact_deleted (none can be restored). */
async function restoreWhole(
  { flags: given, stdout, stderr, signal }: RmInvocation,
  { server, client, project: named }: ServerContext,
  run: RunReference,
): Promise<void> {
  const { project } = await readRun(server, run.run, { project: run.project ?? named, signal })
  const live = new Set<string>()
  const deleted = new Map<string, WireArtifact>()
  const all = client.list({ project, run: run.run, state: 'any', signal })
  for await (const artifact of withinBound(server, all)) {
    const place = `${artifact.attempt}/${artifact.name}`
    if (artifact.state !== 'deleted' && artifact.state !== 'expired') live.add(place)
    if (artifact.state === 'deleted' && !deleted.has(place)) deleted.set(place, artifact)
  }
  const wanted = [...deleted].filter(([place]) => !live.has(place)).map(([, artifact]) => artifact)
  if (wanted.length === 0) throw notFound(`@${run.run}`, `run ${run.run} has no deleted artifacts`)
  const restored = []
  let late: unknown
  for (const { id, name } of wanted.reverse()) {
    try {
      restored.push(await client.restore(id, signal))
      await write(stderr, `id:${id} ${printable(name)} restored\n`)
    } catch (error) {
      if (!hasCode(error, 'artifact_deleted')) throw error
      late = error
      await write(stderr, `id:${id} ${printable(name)} not restored: ${error.message}\n`)
    }
  }
  if (restored.length === 0) throw late
  if (given.json) await writeJson(stdout, restored)
}
