/** `trove download`: brings a directory to what an artifact holds, fetching only what it lacks; or saves an archive. */
import { lstatSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { WireArtifact } from '../../api/messages.ts'
import type { DownloadResult } from '../../client/download/download-result.ts'
import type { DownloadProgress } from '../../client/download/downloading.ts'
import { FileError } from '../../client/files/file-error.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { storeError } from '../../core/errors.ts'
import { compilePathGlobs, nothingMatches } from '../../core/path-glob.ts'
import { parseReference } from '../../core/reference.ts'
import { counted, formatCount, formatSizeBytes } from '../../core/units.ts'
import { choice, jobsFlag, jobsOf, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { exitStatus, type ExitStatus, isAbort } from '../exit-status.ts'
import { writeOutputs, writeSummary } from '../job-report.ts'
import { printable, write, writeJson } from '../output.ts'
import { createProgress } from '../progress.ts'
import { archiveFormats, type ArchiveFormat, saveArchive } from '../save-archive.ts'
import { connect, type ServerContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  run: {
    value: 'ID',
    help: 'run whose artifacts --pattern chooses from (TROVE_RUN, GITHUB_RUN_ID, CI_PIPELINE_ID)',
  },
  pattern: { value: 'GLOB', help: 'artifacts of the run whose names match, in place of REF' },
  path: { value: 'GLOB', repeats: true, help: 'only entries whose paths match' },
  'merge-multiple': {
    value: null,
    help: 'with --pattern: all into DEST itself, not into a folder each',
  },
  delete: { value: null, help: 'remove from DEST what the artifact does not have' },
  'dry-run': { value: null, short: 'n', help: 'list what would be written and deleted' },
  format: { value: 'FORM', help: 'dir (default), zip or tar.gz; told by FILE where it ends so' },
  output: { value: 'FILE', short: 'o', help: 'where the archive goes (NAME.FORM); - is stdout' },
  jobs: jobsFlag,
} as const

type DownloadFlags = typeof flags

export const downloadCommand: Command<DownloadFlags> = {
  name: 'download',
  operands: 'REF [DEST]',
  summary:
    'Brings a directory to what an artifact holds; fetches only what it lacks, and checks every file.',
  flags,
  examples: [
    'trove download 42/build dist',
    "trove download latest:main/build . --path 'bin/**'",
    "trove download --run 42 --pattern 'logs-*' logs",
    'trove download 42/build dist --delete --dry-run',
    'trove download 42/build -o build.zip',
    'trove download 42/build --format tar.gz -o - | tar tz',
  ],
  exitStatuses: [3, 4, 5, 6, 8, 9, 10, 12],
  async run(invocation) {
    const { flags: given, operands, signal } = invocation
    const format = formatOf(given)
    const context = await connect(given, signal)
    if (given.delete && given.path.length > 0)
      throw new UsageError('--delete and --path exclude each other')
    if (format !== 'dir') {
      refuseForArchives(given)
      const [text] = takeOperands(operands, ['REF'])
      return await saveArchive(context, invocation, { reference: parseReference(text), format })
    }
    if (given.pattern !== undefined) return await downloadMatching(context, invocation)
    const [text, target] = takeOperands(operands, ['REF (or --pattern GLOB)'], ['DEST'])
    if (given['merge-multiple']) throw new UsageError('--merge-multiple needs --pattern')
    if (target === '-')
      throw new UsageError('DEST is a directory; -o - writes an archive to stdout')
    const { server, project } = context
    const reference = parseReference(text)
    const result = await downloadOne(context, invocation, {
      find: async () => await readArtifact(server, reference, { project, signal }),
      destination: resolve(target ?? '.'),
    })
    await tell(context, invocation, { results: [result], root: result.destination })
    return exitStatus.ok
  },
}

type Format = 'dir' | ArchiveFormat

/** Errors: UsageError. */
function formatOf({
  format,
  output,
}: {
  format: string | undefined
  output: string | undefined
}): Format {
  const told = archiveFormats.find((each) => output?.endsWith(`.${each}`) === true)
  const found = choice(format, ['dir', ...archiveFormats], '--format') ?? told ?? 'dir'
  if (found === 'dir' && output !== undefined)
    throw new UsageError(
      '--output takes an archive: add --format zip or tar.gz, or name DEST instead',
    )
  return found
}

/** Errors: UsageError. */
function refuseForArchives(given: Invocation<DownloadFlags>['flags']): void {
  for (const flag of ['delete', 'dry-run', 'merge-multiple', 'pattern'] as const) {
    if (given[flag] !== undefined && given[flag] !== false)
      throw new UsageError(`--${flag} works with --format dir only`)
  }
}

interface Downloaded extends DownloadResult {
  artifact: WireArtifact
  destination: string
}

async function downloadMatching(
  context: ServerContext,
  invocation: Invocation<DownloadFlags>,
): Promise<ExitStatus> {
  const { flags: given, operands, signal } = invocation
  const { server, client, config, project } = context
  const [target] = takeOperands(operands, [], ['DEST'])
  if (config.run === null) throw new UsageError('a run is missing: --run or TROVE_RUN')
  const matches = compilePathGlobs([given.pattern ?? '*'])
  if (given.delete && given['merge-multiple'])
    throw new UsageError('--delete and --merge-multiple exclude each other')
  const root = resolve(target ?? '.')
  const results: Downloaded[] = []
  const names = new Set<string>()
  for await (const artifact of client.list({ project, run: config.run, signal })) {
    // The newest attempt comes first; older ones of the same name are history.
    if (names.has(artifact.name) || !matches(artifact.name)) continue
    names.add(artifact.name)
    const destination = given['merge-multiple'] ? root : folderOf(root, artifact)
    const find = async (): Promise<WireArtifact> => artifact
    results.push(await downloadOne(context, invocation, { find, destination }))
  }
  if (results.length === 0) {
    const reference = `${config.run}/${given.pattern}`
    throw storeError('artifact_not_found', `no artifact of ${server.url} matches ${reference}`, {
      reference,
    })
  }
  await tell(context, invocation, { results, root })
  return exitStatus.ok
}

/** Of one of several artifacts; nothing that a server calls them, or that lies in DEST, leads out of that.
 *  Errors: invalid_name, FileError. */
function folderOf(root: string, { name }: WireArtifact): string {
  const folder = join(root, parseArtifactName(name))
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    throw new FileError(folder, 'is a link, through which nothing is written')
  return folder
}

async function downloadOne(
  context: ServerContext,
  { flags: given, stderr, signal }: Invocation<DownloadFlags>,
  { find, destination }: { find: () => Promise<WireArtifact>; destination: string },
): Promise<Downloaded> {
  const progress = createProgress(stderr, { bars: !context.config.ci })
  let phase: DownloadProgress['phase'] | undefined
  const finding = find()
  try {
    const result = await context.client.download({
      artifact: finding,
      destination,
      delete: given.delete,
      dryRun: given['dry-run'],
      paths: given.path,
      ...jobsOf(given),
      signal,
      onRetry: progress.retrying,
      onProgress: (now) => {
        if (now.phase !== phase && now.phase === 'fetching') {
          progress.phase(
            `${formatSizeBytes(now.doneBytes)} of ${formatSizeBytes(now.totalBytes)} are in place`,
          )
        }
        phase = now.phase
        const label = { comparing: 'Comparing', fetching: 'Fetching', placing: 'Placing' }[
          now.phase
        ]
        const note = `${formatSizeBytes(now.fetchedBytes)} received`
        progress.show([{ label, doneBytes: now.doneBytes, totalBytes: now.totalBytes, note }])
      },
    })
    return { artifact: await finding, destination, ...result }
  } catch (error) {
    progress.finish()
    if (isAbort(error) && !given['dry-run']) await write(stderr, interruptedText)
    throw error
  } finally {
    progress.finish()
  }
}

const interruptedText =
  'trove: interrupted; whole files that had come are kept, and the same command goes on with them\n'

async function tell(
  { config }: ServerContext,
  { flags: given, stdout, stderr }: Invocation<DownloadFlags>,
  { results, root }: { results: Downloaded[]; root: string },
): Promise<void> {
  const dryRun = given['dry-run']
  if (!dryRun) {
    // First, whether or not anybody reads the rest.
    await writeOutputs(config, { 'download-path': root })
    for (const result of results) await summarize(config, result)
  }
  if (given.json) {
    const messages = results.map(({ artifact, planned, ...result }) => ({
      artifactId: artifact.id,
      name: artifact.name,
      ...result,
      ...(planned !== null && { planned }),
    }))
    await writeJson(stdout, given.pattern === undefined ? messages[0] : messages)
  }
  for (const result of results) {
    if (!given.json) await write(stdout, planOf(result))
    await write(stderr, `${summaryOf(result, dryRun)}\n`)
  }
  if (given.path.length > 0 && results.every(({ entries }) => entries === 0))
    throw nothingMatches(given.path)
}

function planOf({ planned, destination }: Downloaded): string {
  const lines = (verb: string, paths: readonly string[]): string =>
    paths.map((path) => `${verb} ${printable(join(destination, path))}\n`).join('')
  return planned === null ? '' : lines('write', planned.write) + lines('delete', planned.delete)
}

function summaryOf(result: Downloaded, dryRun: boolean): string {
  const { artifact, files, logicalBytes, writtenFiles, fetchedBytes, deletedPaths } = result
  const would = dryRun ? 'would be ' : ''
  const deleted = deletedPaths === 0 ? '' : `, ${deletedPaths} ${would}deleted`
  const received = dryRun ? '' : `, ${formatSizeBytes(fetchedBytes)} received`
  return (
    `${printable(artifact.name)}  ${formatCount(writtenFiles)} of ${counted(files, 'file')} ${would}written${deleted}${received}` +
    ` for ${formatSizeBytes(logicalBytes)}  ${printable(result.destination)}`
  )
}

async function summarize(config: ServerContext['config'], result: Downloaded): Promise<void> {
  await writeSummary(config, `Downloaded ${result.artifact.name}`, [
    ['files', `${result.files}, of which ${result.writtenFiles} were written`],
    ['size', formatSizeBytes(result.logicalBytes)],
    ['received', formatSizeBytes(result.fetchedBytes)],
    ['to', result.destination],
  ])
}
