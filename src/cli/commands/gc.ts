/** `trove gc`: expires artifacts, sweeps and compacts, by hand and immediately. */
import { collectionSchema, type WireCollection } from '../../api/admin-messages.ts'
import { collectionPath } from '../../api/paths.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { collect, type Collection, planCollection } from '../../lifecycle/collect/collect.ts'
import type { Command } from '../command.ts'
import type { LocalStore } from '../maintenance/local-store.ts'
import { maintenanceFlags, runMaintenance } from '../maintenance/maintenance-job.ts'
import { writeResult } from '../output/output.ts'

const flags = {
  ...maintenanceFlags,
  'dry-run': { value: null, short: 'n', help: 'show what would be freed, and change nothing' },
  now: {
    value: null,
    help: 'skip grace periods, and rewrite every pack that is more than 5 % dead',
  },
} as const

export const gcCommand: Command<typeof flags> = {
  operands: '',
  summary: 'Free the space of expired and deleted artifacts.',
  flags,
  examples: ['trove gc', 'trove gc --dry-run --now', 'trove gc --now --data /srv/trove --json'],
  exitStatuses: [5, 6, 9, 10, 13],
  async run(invocation) {
    const { flags: given, stdout } = invocation
    const asked = { now: given.now, dryRun: given['dry-run'] }
    const collection = await runMaintenance<WireCollection>(given, invocation, {
      command: 'gc',
      path: collectionPath,
      json: asked,
      schema: collectionSchema,
      local: async (store, onProgress) => await collectLocally(store, { ...asked, onProgress }),
      describeProgress,
    })
    await writeResult(stdout, given, collection, () => describe(collection, asked))
  },
}

async function collectLocally(
  { ports, space, config: { historyMs }, believedNow }: LocalStore,
  asked: { now: boolean; dryRun: boolean; onProgress(progress: Collection): void },
): Promise<Collection> {
  const reach = asked.now ? 'now' : 'background'
  if (asked.dryRun) return await planCollection(ports, { reach })
  const result = await collect(ports, {
    reach,
    compactBytesPerSecond: null,
    hasRoom: space.hasRoom,
    historyMs,
    believedNow,
    onProgress: asked.onProgress,
  })
  await space.restoreReserve()
  return result
}

function describeProgress(collection: WireCollection): string {
  const { expired, deletedArtifacts, removedBlobs } = collection
  return `${counted(expired + deletedArtifacts, 'artifact')} and ${counted(removedBlobs, 'blob')} removed, ${freed(collection)} freed`
}

/** Negative when packs were rewritten and the packs they replace still wait to be removed: those
 *  are reported as waiting. */
function freed({ freedBytes }: WireCollection): string {
  return formatSizeBytes(Math.max(0, freedBytes))
}

function describe(
  collection: WireCollection,
  { now, dryRun }: { now: boolean; dryRun: boolean },
): string {
  const { expired, deletedArtifacts, waitingBytes, waitingPacks, restorableBytes, noRoomBytes } =
    collection
  const lines = [
    `${dryRun ? 'would expire' : 'expired'} ${counted(expired, 'artifact')}`,
    `${dryRun ? 'would remove' : 'removed'} ${counted(deletedArtifacts, 'deleted artifact')}`,
    `${dryRun ? 'would free' : 'freed'} ${freed(collection)}`,
  ]
  if (waitingBytes > 0) {
    lines.push(`waiting for readers or a grace period: ${formatSizeBytes(waitingBytes)}`)
    // Without `--now` each dead pack waits for its grace period, and nothing can be done about it.
    if (now) lines.push(...waitingPacks.map((name) => `  pack ${name}`))
  }
  if (noRoomBytes > 0)
    lines.push(
      `not freed: ${formatSizeBytes(noRoomBytes)}, because the disk has no room to rewrite the packs that hold them; make room, or lower TROVE_MIN_FREE`,
    )
  if (restorableBytes > 0 && !now && !dryRun)
    lines.push(
      `kept because it can still be restored: ${formatSizeBytes(restorableBytes)} of deleted artifacts (\`--now\` frees that, too)`,
    )
  return `${lines.join('\n')}\n`
}
