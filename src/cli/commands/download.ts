/** `trove download`: makes a directory match an artifact, fetching only what the directory
 *  lacks; or saves an archive. */
import { lstatSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { WireArtifact } from '../../api/messages.ts'
import type { DownloadProgress } from '../../client/download/downloading.ts'
import { FileError } from '../../client/files/file-error.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { withinBound } from '../../client/list-items.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { artifactNotFound } from '../../core/errors.ts'
import { compilePathGlobs, nothingMatches } from '../../core/glob/path-glob.ts'
import {
  isMeantAsReference,
  type NameReference,
  parseEntryReference,
  parseRunOnly,
  type Reference,
} from '../../core/reference.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { jobsFlag, pathGlobsFlag, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { isAbort } from '../exit-status.ts'
import {
  describeDownload,
  describePlan,
  type Downloaded,
  summarizeDownload,
} from '../output/download-result.ts'
import { writeOutputs } from '../output/job-report.ts'
import {
  type Collisions,
  collisionText,
  createMergedPaths,
  type MergedPaths,
} from '../output/merged-paths.ts'
import { write, writeJson } from '../output/output.ts'
import { archiveFormats, type ArchiveFormat, saveArchive } from '../save-archive.ts'
import { connect, inRun, type ServerContext } from '../server-access.ts'

const formats = ['dir', ...archiveFormats] as const

const flags = {
  ...serverFlags,
  run: {
    value: 'ID',
    help: 'run to which --pattern applies (TROVE_RUN, GITHUB_RUN_ID, CI_PIPELINE_ID)',
  },
  pattern: {
    value: 'GLOB',
    help: 'download all artifacts of the run whose names match; replaces REF',
  },
  path: { ...pathGlobsFlag, help: 'download only entries whose paths match' },
  'merge-multiple': {
    value: null,
    help: 'with --pattern: download into DEST itself, not into one directory per artifact',
  },
  symlinks: {
    value: 'HOW',
    choices: ['keep', 'skip'],
    help: 'keep (default) or skip them, for file systems that have none',
  },
  delete: { value: null, help: 'delete paths in DEST that the artifact does not have' },
  'dry-run': {
    value: null,
    short: 'n',
    help: 'list what would be written and deleted, and change nothing',
  },
  format: {
    value: 'FORM',
    choices: formats,
    help: 'dir (default), zip or tar.gz; inferred from the extension of FILE',
  },
  output: { value: 'FILE', short: 'o', help: 'archive to write (default: NAME.FORM); - is stdout' },
  jobs: jobsFlag,
} as const

type DownloadFlags = typeof flags

export const downloadCommand: Command<DownloadFlags> = {
  operands: 'REF [DEST]',
  summary:
    'Make a directory (DEST, by default the working directory) match an artifact, fetching only what it lacks and checking every file; or save an archive.',
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
    const { flags: given, operands, stdout, signal } = invocation
    const format = formatOf(given)
    if (given.delete && given.path.length > 0)
      throw new UsageError('--delete and --path cannot be combined')
    if (given.delete && given.symlinks === 'skip')
      throw new UsageError('--delete and --symlinks skip cannot be combined')
    if (format !== 'dir') {
      refuseForArchives(given)
      const [text, target] = takeOperands(operands, ['REF'], ['DEST'])
      const named = artifactOf(text)
      if (target !== undefined)
        throw new UsageError('an archive has no DEST: name the file with --output')
      if (given.output === '-' && stdout.isTTY)
        throw new UsageError('stdout is a terminal: send the archive to a file or a program')
      const context = await connect(given, invocation)
      const reference = inRun(named, context.config)
      return await saveArchive(context, invocation, { reference, format })
    }
    if (given.pattern !== undefined) return await downloadMatching(invocation, given.pattern)
    const [text, target] = takeOperands(operands, ['REF (or --pattern GLOB)'], ['DEST'])
    if (given['merge-multiple']) throw new UsageError('--merge-multiple needs --pattern')
    if (target === '-')
      throw new UsageError('DEST is a directory; use -o - to write an archive to stdout')
    const named = artifactOf(text)
    const context = await connect(given, invocation)
    const { server, project, config } = context
    const reference = inRun(named, config)
    const result = await downloadOne(context, invocation, {
      artifact: readArtifact(server, reference, { project, signal }),
      destination: resolve(target ?? '.'),
    })
    await printResults(context, invocation, { results: [result], root: result.destination })
  },
}

type Format = 'dir' | ArchiveFormat

/** Errors: UsageError. */
function formatOf({
  format,
  output,
}: {
  format: Format | undefined
  output: string | undefined
}): Format {
  const named = output?.replace(/\.tgz$/, '.tar.gz')
  const inferred = archiveFormats.find((each) => named?.endsWith(`.${each}`) === true)
  const found = format ?? inferred ?? 'dir'
  if (found === 'dir' && output !== undefined)
    throw new UsageError(
      '--output writes an archive: add --format zip or tar.gz, or use DEST for a directory',
    )
  return found
}

/** Errors: UsageError for a whole run or a path, invalid_request, invalid_name. */
function artifactOf(text: string): Reference | NameReference {
  const run = parseRunOnly(text.replace(/^[0-9]+$/, '@$&'))
  if (run !== undefined)
    throw new UsageError(`${text} is a whole run: use --run ${run.run} --pattern '*'`)
  const { reference, path } = parseEntryReference(text)
  if (path !== '')
    throw new UsageError(
      'REF has no path here: select with --path GLOB, or print a file with `trove cat`',
    )
  return reference
}

/** Errors: UsageError. */
function refuseForArchives(given: Invocation<DownloadFlags>['flags']): void {
  for (const flag of ['delete', 'dry-run', 'merge-multiple', 'pattern', 'symlinks'] as const) {
    if (given[flag] !== undefined && given[flag] !== false)
      throw new UsageError(`--${flag} works only with --format dir`)
  }
}

async function downloadMatching(
  invocation: Invocation<DownloadFlags>,
  pattern: string,
): Promise<void> {
  const { flags: given, operands, signal } = invocation
  const [target] = takeOperands(operands, [], ['DEST'])
  if (target !== undefined && isMeantAsReference(target))
    throw new UsageError(
      `--pattern replaces REF: name the run with --run; a directory ${target} is ./${target}`,
    )
  if (given.delete && given['merge-multiple'])
    throw new UsageError('--delete and --merge-multiple cannot be combined')
  const matches = compilePathGlobs([pattern])
  const context = await connect(given, invocation)
  const { server, client, config, project } = context
  if (config.run === null) throw new UsageError('the run is missing: set --run or TROVE_RUN')
  const root = resolve(target ?? '.')
  const newestFirst = new Map<string, WireArtifact>()
  const all = client.list({ project, run: config.run, signal })
  for await (const artifact of withinBound(server, all)) {
    // Older artifacts with the same name, of earlier attempts, are superseded.
    if (newestFirst.has(artifact.name) || !matches(artifact.name)) continue
    newestFirst.set(artifact.name, artifact)
  }
  const results: Downloaded[] = []
  const merged = given['merge-multiple'] ? createMergedPaths() : undefined
  // The newest last, so that a file which several merged artifacts have is that of the newest.
  for (const artifact of [...newestFirst.values()].toReversed()) {
    const destination = merged === undefined ? folderOf(root, artifact) : root
    results.push(await downloadOne(context, invocation, { artifact, destination, merged }))
  }
  if (results.length === 0) {
    const reference = `${config.run}/${pattern}`
    throw artifactNotFound(reference, `no artifact on ${server.url} matches ${reference}`)
  }
  await printResults(context, invocation, { results, root })
  if (merged !== undefined) await write(invocation.stderr, collisionText(merged.collisions()))
}

/** Directory of one of several artifacts. Neither an artifact's name nor a symlink in DEST may
 *  lead out of DEST.
 *  Errors: invalid_name, FileError. */
function folderOf(root: string, { name }: WireArtifact): string {
  const folder = join(root, parseArtifactName(name))
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    throw new FileError(folder, 'is a symlink; downloads do not write through symlinks')
  return folder
}

async function downloadOne(
  { client, progress }: ServerContext,
  { flags: given, stderr, signal }: Invocation<DownloadFlags>,
  {
    artifact,
    destination,
    merged,
  }: {
    artifact: WireArtifact | Promise<WireArtifact>
    destination: string
    merged?: MergedPaths | undefined
  },
): Promise<Downloaded> {
  let collisions: Collisions | undefined
  let phase: DownloadProgress['phase'] | undefined
  try {
    const result = await client.download({
      artifact,
      destination,
      delete: given.delete,
      dryRun: given['dry-run'],
      paths: given.path,
      symlinks: given.symlinks,
      jobs: given.jobs,
      signal,
      onRetry: progress.retrying,
      onWanted: (...wanted) => void (collisions = merged?.add(...wanted)),
      onProgress: (now) => {
        if (now.phase !== phase && now.phase === 'fetching' && now.doneBytes > 0) {
          progress.phase(
            `${formatSizeBytes(now.doneBytes)} of ${formatSizeBytes(now.totalBytes)} already in place`,
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
    return { artifact: await artifact, destination, ...result, ...(collisions && { collisions }) }
  } catch (error) {
    progress.finish()
    if (isAbort(error) && !given['dry-run']) await write(stderr, interruptedText)
    throw error
  } finally {
    progress.finish()
  }
}

const interruptedText =
  'trove: interrupted; complete files are kept, and the same command resumes with them\n'

async function printResults(
  { config }: ServerContext,
  { flags: given, stdout, stderr }: Invocation<DownloadFlags>,
  { results, root }: { results: Downloaded[]; root: string },
): Promise<void> {
  const isNone = results.every(({ entries, skippedSymlinks }) => entries + skippedSymlinks === 0)
  if (given.path.length > 0 && isNone) throw nothingMatches(given.path)
  const dryRun = given['dry-run']
  if (!dryRun) {
    // Before any output, whether or not anybody reads that.
    await writeOutputs(config, { 'download-path': root })
    for (const result of results) await summarizeDownload(config, result)
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
    if (!given.json) await write(stdout, describePlan(result))
    await write(stderr, `${describeDownload(result, dryRun)}\n`)
  }
}
