/** `trove search`: searches paths inside artifacts. */
import type { WireSearchMatch } from '../../api/messages.ts'
import { searchPaths } from '../../client/search.ts'
import { compilePathGlobs } from '../../core/glob/path-glob.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { limitFlag, serverFlags, UsageError } from '../arguments.ts'
import { filterFlags, filterOf } from '../artifact-filter.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { jsonArrayOf, printable, write, writeAll, writeCut } from '../output/output.ts'
import { connect } from '../server-access.ts'

const flags = {
  ...serverFlags,
  ...filterFlags,
  limit: limitFlag,
  'allow-empty': { value: null, help: 'exit with 0 when nothing is found' },
} as const

export const searchCommand: Command<typeof flags> = {
  operands: 'GLOB...',
  summary:
    'Search paths inside artifacts, newest artifact first. Results have the form that `trove cat` accepts.',
  flags,
  examples: [
    "trove search '**/*.map'",
    "trove search 'dist/**' '**/index.html' --branch main --since 7d",
    "trove search '**/junit.xml' --run 42 --json",
  ],
  exitStatuses: [3, 5, 6, 9, 10],
  alsoMeans: { 1: 'nothing was found' },
  async run({ flags: given, operands: globs, stdout, stderr, signal }) {
    if (!isSome(globs)) throw new UsageError('GLOB is missing')
    compilePathGlobs(globs)
    const narrowing = filterOf(given)
    const { server, project } = await connect(
      { url: given.url, project: given.project },
      { stderr, signal },
    )
    const matches = searchPaths(server, { globs, project, ...narrowing, signal })
    let count = 0
    let isCut = false
    const shown = async function* (): AsyncGenerator<WireSearchMatch> {
      for await (const match of matches) {
        isCut = count === given.limit
        if (isCut) return
        count += 1
        yield match
      }
    }
    if (given.json) await writeAll(stdout, jsonArrayOf(shown()))
    else for await (const line of linesOf(shown())) await write(stdout, line)
    if (isCut) await writeCut(stderr, `the newest ${given.limit}`)
    if (count > 0) return exitStatus.ok
    await write(stderr, `no path in the searched artifacts matches${hintFor(globs)}\n`)
    return given['allow-empty'] ? exitStatus.ok : exitStatus.failure
  },
}

function isSome(globs: string[]): globs is [string, ...string[]] {
  return globs.length > 0
}

/** Yields each line as soon as it is known, so columns have fixed widths that fit most values. */
async function* linesOf(matches: AsyncIterable<WireSearchMatch>): AsyncGenerator<string> {
  let header = `${'SIZE'.padStart(10)}  ${'UPLOADED'.padEnd(10)}  ${'BRANCH'.padEnd(16)}  REF:PATH\n`
  for await (const { reference, artifact, entry } of matches) {
    const size = entry.kind === 'file' ? formatSizeBytes(entry.sizeBytes) : '-'
    const branch = printable(artifact.branch ?? '-').padEnd(16)
    const place = printable(`${reference}:${entry.path}`)
    yield `${header}${size.padStart(10)}  ${artifact.createdAt.slice(0, 10)}  ${branch}  ${place}\n`
    header = ''
  }
}

/** A bare name usually means a file in any directory. */
function hintFor(globs: readonly string[]): string {
  const bare = globs.find((glob) => !glob.includes('/') && glob !== '**')
  return bare === undefined ? '' : `; use '**/${printable(bare)}' to search all directories`
}
