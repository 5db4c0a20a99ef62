/** `trove why`: explains how an artifact grew, what space it takes, and why and until when it is
 *  kept, in the words of its page. */
import type { WireComparison, WireDifference } from '../../api/comparison-messages.ts'
import type { WireArtifact, WireArtifactDetail } from '../../api/messages.ts'
import { readGrowth } from '../../client/comparison.ts'
import { readArtifact, readArtifactDetail } from '../../client/find-artifact.ts'
import { withinBound } from '../../client/list-items.ts'
import { artifactOrders, comparison, nameKey } from '../../core/manifest/artifact-order.ts'
import { notFound } from '../../core/errors.ts'
import { freedPredicate, whyKept } from '../../core/policy/explanation.ts'
import {
  parseReferenceOrName,
  parseRunOnly,
  type Reference,
  type RunReference,
} from '../../core/reference.ts'
import {
  counted,
  formatDelta,
  formatShare,
  formatSizeBytes,
  formatCount,
} from '../../core/units.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { formatTable, printable, write, writeJson } from '../output/output.ts'
import { connect, inRun, type ServerContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  against: { value: 'REF', help: 'artifact to compare with (default: the previous one)' },
} as const

/** Maximum number of directories, and of paths. */
const rowsShown = 5

export const whyCommand: Command<typeof flags> = {
  operands: 'REF|@RUN',
  summary:
    'Explain an artifact, or each of a run: how it grew since the previous one with its name and branch, what deleting it frees, and why and until when it is kept.',
  flags,
  examples: [
    'trove why latest:main/build',
    'trove why 42/build --against latest:main/build',
    'trove why id:7 --json',
    'trove why @42',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [text] = takeOperands(operands, ['REF|@RUN'])
    const asked = parseRunOnly(text) ?? parseReferenceOrName(text)
    const against = given.against === undefined ? undefined : parseReferenceOrName(given.against)
    if (asked.kind === 'all' && against !== undefined)
      throw new UsageError('--against compares one artifact, not a run')
    const context = await connect(given, { stderr, signal })
    const { config } = context
    const all: Record<string, unknown>[] = []
    const references =
      asked.kind === 'all' ? await artifactsOf(context, asked, signal) : [inRun(asked, config)]
    const base = against && inRun(against, config)
    for (const reference of references) {
      const why = await explain(context, { reference, against: base, signal })
      const gap = all.length === 0 ? '' : '\n'
      if (!given.json) await write(stdout, gap + textOf(why, against !== undefined))
      all.push(jsonOf(why))
    }
    if (given.json) await writeJson(stdout, asked.kind === 'all' ? all : all[0])
  },
}

/** Returns the live artifacts of a run, by name. Errors: UsageError (several projects have the
 *  run), not_found, and those of `openAnswer`. */
async function artifactsOf(
  { server, client, project }: ServerContext,
  asked: RunReference,
  signal: AbortSignal,
): Promise<Reference[]> {
  const found: WireArtifact[] = []
  const ofRun = { project: asked.project ?? project, run: asked.run, signal }
  for await (const artifact of withinBound(server, client.list(ofRun))) found.push(artifact)
  if (found.length === 0) throw notFound(`@${asked.run}`, `run ${asked.run} has no artifacts`)
  if (found.some((each) => each.project !== found[0]!.project))
    throw new UsageError(`several projects have a run ${asked.run}; choose one with --project`)
  return found
    .map(({ id, name }) => ({ id, key: nameKey(name) }))
    .sort(comparison(artifactOrders.name))
    .map(({ id }) => ({ kind: 'id', id }))
}

async function explain(
  { server, project }: ServerContext,
  {
    reference,
    against,
    signal,
  }: { reference: Reference; against: Reference | undefined; signal: AbortSignal },
): Promise<Why> {
  const asking = { project, signal }
  const artifact = await readArtifactDetail(server, reference, asking)
  const base =
    against === undefined ? artifact.previous : await readArtifact(server, against, asking)
  const compared = base && (await readGrowth(server, { base: base.id, head: artifact.id }, signal))
  return { artifact, base, compared }
}

interface Why {
  artifact: WireArtifactDetail
  /** What it is compared with: null when there is none, undefined when the token may not know. */
  base: Pick<WireArtifactDetail, 'id' | 'run'> | null | undefined
  compared: Pick<WireComparison, 'totals' | 'growth'> | null | undefined
}

function textOf(why: Why, isChosen: boolean): string {
  const { id, name, run, branch, pullRequest, files, logicalBytes } = why.artifact
  const ofPull = pullRequest === null ? '' : ` (pull request ${pullRequest})`
  const on = (branch === null ? '' : ` on ${printable(branch)}`) + ofPull
  const holds = `${counted(files, 'file')}, ${formatSizeBytes(logicalBytes)}`
  return [
    `id:${id} ${printable(name)} of run ${run}${on}: ${holds}`,
    '',
    growthSentence(why, isChosen),
    ...growthTable(why),
    '',
    ...spaceLines(why.artifact),
    '',
    endingSentence(why.artifact),
    '',
  ].join('\n')
}

function growthSentence({ artifact: { name, branch }, base, compared }: Why, isChosen: boolean) {
  if (base === undefined) return 'Its growth is not shown to a token that may read only one run.'
  if (!base || !compared) {
    const place = branch === null ? '' : ` on ${printable(branch)}`
    return `Nothing to compare with: this is the first live artifact named ${printable(name)}${place}.`
  }
  const { totals, growth } = compared
  const { added, removed, changed, moved, mode, unchanged, baseBytes, headBytes } = totals
  const differing = added + removed + changed + moved + mode
  const whom = isChosen ? `id:${base.id} of run ${base.run}` : `run ${base.run}`
  if (differing === 0)
    return `Identical to ${whom}: ${counted(unchanged, 'entry', 'entries')}, byte for byte.`
  const all = counted(differing + unchanged, 'entry', 'entries')
  const { cause } = growth
  const from = cause && `, ${formatShare(cause.share, 1)} of it from ${placeOf(cause)}`
  const delta = formatDelta(headBytes - baseBytes)
  return `${delta} since ${whom} (${formatCount(differing)} of ${all} differ)${from ?? ''}.`
}

function placeOf({ directory }: { directory: string }): string {
  return directory === '/' ? 'files at the root' : printable(directory)
}

/** Directories first, where they say more than paths. */
function growthTable({ compared }: Why): string[] {
  const { directories, paths } = compared?.growth ?? { directories: [], paths: [] }
  const rows = [
    ...directories
      .filter(({ files }) => files > 1)
      .slice(0, rowsShown)
      .map(({ directory, bytes, files }) => [
        formatDelta(bytes),
        counted(files, 'entry', 'entries'),
        directory,
      ]),
    ...paths.slice(0, rowsShown).map((path) => [formatDelta(deltaOf(path)), path.kind, path.path]),
  ]
  const table = formatTable(rows, [
    ['', ([delta]) => delta!, 'right'],
    ['', ([, what]) => what!],
    ['', ([, , place]) => place!],
  ])
  const [, ...lines] = table.split('\n')
  return lines.filter((line) => line !== '').map((line) => `  ${line}`)
}

function spaceLines(artifact: WireArtifactDetail): string[] {
  const { logicalBytes, zipBytes, newBytes, exclusiveBytes, sharedBytes, sameTree = 0 } = artifact
  const freed = freedPredicate(logicalBytes, { freedBytes: exclusiveBytes, sharedBytes })
  const have = sameTree === 1 ? 'has' : 'have'
  return [
    `Its upload added ${formatSizeBytes(newBytes)} to the store; its zip is ${formatSizeBytes(zipBytes)}.`,
    `Deleting it ${freed}`,
    ...(sameTree > 0
      ? [`${counted(sameTree, 'other artifact')} ${have} exactly these files.`]
      : []),
  ]
}

function endingSentence(artifact: WireArtifactDetail): string {
  const { expiresAt, keptReason } = artifact
  return whyKept(artifact) === null
    ? `Expires at ${expiresAt} (${keptReason}).`
    : `It is ${keptReason}.`
}

function jsonOf({ artifact, base, compared }: Why): Record<string, unknown> {
  const { id, name, run, branch, pullRequest, files, logicalBytes, zipBytes, newBytes } = artifact
  const { exclusiveBytes, sharedBytes, sameTree, expiresAt, pinned, keptLatest, keptReason } =
    artifact
  const { totals, growth } = compared ?? {}
  return {
    artifact: { id, name, run, branch, pullRequest, files },
    against: base ? { id: base.id, run: base.run } : null,
    growth: totals &&
      growth && {
        bytes: totals.headBytes - totals.baseBytes,
        totals,
        cause: growth.cause,
        directories: growth.directories,
        paths: growth.paths.map((each) => ({
          kind: each.kind,
          path: each.path,
          bytes: deltaOf(each),
        })),
      },
    space: { logicalBytes, zipBytes, newBytes, exclusiveBytes, sharedBytes, sameTree },
    kept: { expiresAt, pinned, keptLatest, reason: keptReason },
  }
}

function deltaOf({ before, after }: WireDifference): number {
  return sizeOf(after) - sizeOf(before)
}

function sizeOf(side: WireDifference['after']): number {
  return side?.kind === 'file' ? side.sizeBytes : 0
}
