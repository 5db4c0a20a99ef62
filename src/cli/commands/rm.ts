/** `trove rm`: deletes artifacts. */
import { createClient } from '../../client/client.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { parseReference } from '../../core/reference.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { printable, write, writeJson } from '../output.ts'
import { serverContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  'dry-run': { value: null, short: 'n', help: 'say what would be deleted, and delete nothing' },
} as const

export const rmCommand: Command<typeof flags> = {
  name: 'rm',
  operands: 'REF...',
  summary: 'Deletes artifacts.',
  flags,
  examples: ['trove rm 42/build', 'trove rm id:7 id:8', 'trove rm -n latest:main/build'],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    if (operands.length === 0) throw new UsageError('REF is missing')
    const references = operands.map(parseReference)
    const { server, config, project } = serverContext(given)
    const client = createClient({ ...server, cacheDir: config.cacheDir })
    const artifacts = []
    // All of them are looked up before the first goes, so that a mistyped one deletes nothing.
    for (const reference of references)
      artifacts.push(await readArtifact(server, reference, { project, signal }))
    for (const artifact of artifacts) {
      if (!given['dry-run']) await client.remove(artifact.id, signal)
      const verb = given['dry-run'] ? 'would delete' : 'deleted'
      const size = `${artifact.files} files, ${formatSizeBytes(artifact.logicalBytes)}`
      await write(stderr, `${verb} id:${artifact.id} ${printable(artifact.name)} (${size})\n`)
    }
    if (given.json) {
      await writeJson(
        stdout,
        artifacts.map(({ id, name, logicalBytes }) => ({
          artifactId: id,
          name,
          logicalBytes,
          deleted: !given['dry-run'],
        })),
      )
    }
    return exitStatus.ok
  },
}
