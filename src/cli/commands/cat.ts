/** `trove cat`: writes one file to stdout. */
import { findFile } from '../../client/find-entry.ts'
import { readFile } from '../../client/read-file.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { write } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = { url: serverFlags.url, project: serverFlags.project }

export const catCommand: Command<typeof flags> = {
  operands: 'REF:PATH',
  summary: 'Write one file of an artifact to stdout and check its digest.',
  flags,
  examples: ['trove cat 42/build:dist/app.js', 'trove cat latest:main/build:VERSION'],
  exitStatuses: [3, 4, 5, 6, 8, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF:PATH'])
    const { reference, path } = parseEntryReference(target)
    if (path === '') throw new UsageError('the path is missing: use REF:PATH')
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const { digest } = await findFile(server, artifact, path, signal)
    for await (const chunk of readFile(server, { artifactId: artifact.id, path, digest }, signal)) {
      await write(stdout, chunk)
    }
  },
}
