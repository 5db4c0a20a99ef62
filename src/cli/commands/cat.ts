/** `trove cat`: one file to stdout. */
import type { WireEntry } from '../../api/messages.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { readEntries } from '../../client/read-entries.ts'
import { readFile } from '../../client/read-file.ts'
import { parseWireDigest } from '../../core/digest.ts'
import { storeError } from '../../core/errors.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { write } from '../output.ts'
import { connect } from '../server-access.ts'

const { json: _noJson, ...flags } = serverFlags

export const catCommand: Command<typeof flags> = {
  name: 'cat',
  operands: 'REF:PATH',
  summary: 'Writes one file of an artifact to stdout, and checks its digest.',
  flags,
  examples: ['trove cat 42/build:dist/app.js', 'trove cat latest:main/build:VERSION'],
  exitStatuses: [3, 4, 5, 6, 8, 10],
  async run({ flags: given, operands, stdout, signal }) {
    const [target] = takeOperands(operands, ['REF:PATH'])
    const { reference, path } = parseEntryReference(target)
    if (path === '') throw new UsageError('a path is missing: write REF:PATH')
    const { server, project } = await connect({ url: given.url, project: given.project }, signal)
    const artifact = await readArtifact(server, reference, { project, signal })
    const entries = readEntries(server, artifact.id, { under: path, signal })
    const first = await entries.next()
    await entries.return()
    const entry = first.done === true ? undefined : first.value
    if (entry?.kind !== 'file' || entry.path !== path) {
      const reason = `${artifact.name} has no file ${JSON.stringify(path)}: ${insteadOf(entry, path)}`
      throw storeError('not_found', reason, { what: path })
    }
    const digest = parseWireDigest(entry.digest)
    if (digest === undefined) throw new TypeError(`not a digest: ${entry.digest}`)
    for await (const chunk of readFile(server, { artifactId: artifact.id, path, digest }, signal)) {
      await write(stdout, chunk)
    }
    return exitStatus.ok
  },
}

function insteadOf(entry: WireEntry | undefined, path: string): string {
  if (entry?.kind === 'symlink' && entry.path === path) return `it is a link to ${entry.target}`
  return 'it is a directory, which `trove ls` lists'
}
