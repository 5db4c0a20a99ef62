/** `trove keep`: keeps an artifact from expiring. */
import { whyKept } from '../../core/policy/explanation.ts'
import { parseReferenceOrName } from '../../core/reference.ts'
import { serverFlags, takeOperands } from '../arguments.ts'
import type { Command } from '../command.ts'
import { printable, write, writeJson } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = {
  ...serverFlags,
  release: { value: null, help: 'let the artifact expire again' },
} as const

export const keepCommand: Command<typeof flags> = {
  operands: 'REF',
  summary: 'Keep an artifact forever, or let it expire again.',
  flags,
  examples: ['trove keep 42/build', 'trove keep latest:main/build', 'trove keep id:7 --release'],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [text] = takeOperands(operands, ['REF'])
    const { client, artifact: found } = await connectTo(given, parseReferenceOrName(text), {
      stderr,
      signal,
    })
    const artifact = await client.retain(found.id, { pinned: !given.release }, signal)
    if (given.json) await writeJson(stdout, artifact)
    const keeping = whyKept(artifact)
    const until = keeping === null ? `expires at ${artifact.expiresAt}` : `is ${keeping}`
    await write(stderr, `id:${artifact.id} ${printable(artifact.name)} ${until}\n`)
  },
}
