/** `trove upload`: uploads files, directories and globs as one artifact, sending only what the
 *  server lacks. */
import type { SecretInFile, UploadProgress } from '../../client/client.ts'
import { noFiles, type UploadTarget } from '../../client/upload/upload.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { findSourceSecrets } from '../../client/upload/source-secrets.ts'
import { type WalkOptions, walkSources } from '../../client/upload/walk.ts'
import { hasCode, storeError } from '../../core/errors.ts'
import { knownFacts } from '../../core/run/run.ts'
import { counted, formatSizeBytes } from '../../core/units.ts'
import {
  type FlagValues,
  integer,
  jobsFlag,
  pathGlobsFlag,
  serverFlags,
  UsageError,
} from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { isAbort } from '../exit-status.ts'
import {
  describeSecrets,
  secretsAnnotation,
  secretsText,
  secretsWarning,
  unknownDismissals,
} from '../output/found-secrets.ts'
import { printable, write, writeJson } from '../output/output.ts'
import type { Progress } from '../output/progress.ts'
import { runFlags } from '../run-flags.ts'
import { connect, requireProject, type ServerContext } from '../server-access.ts'
import { missingText, unmetText } from '../output/unmet-wishes.ts'
import {
  describeHidden,
  describeUpload,
  type HiddenPaths,
  reportUpload,
  uploadJson,
} from '../output/upload-result.ts'

const flags = {
  ...serverFlags,
  ...runFlags,
  exclude: { ...pathGlobsFlag, help: 'exclude entry paths that match' },
  'include-hidden': {
    value: null,
    help: 'include files and directories whose names begin with a dot',
  },
  'if-no-files-found': {
    value: 'WHAT',
    choices: ['warn', 'error', 'ignore'],
    fallback: 'warn',
    help: 'when no files match: warn (default), error or ignore',
  },
  'retention-days': {
    value: 'N',
    read: integer(0, 36_500),
    help: "days until it expires; 0 is the server's default",
  },
  overwrite: { value: null, help: 'replace an artifact with this name in this run' },
  symlinks: { value: 'HOW', choices: ['keep', 'follow'], help: 'keep (default) or follow them' },
  'compression-level': {
    value: '0..9',
    read: integer(0, 9),
    help: 'compression level of sent files (default: 5)',
  },
  'fail-on-secrets': {
    value: null,
    help: 'send nothing when a file such as .git/config or .env contains a credential that the project has not dismissed (`trove secrets`)',
  },
  jobs: jobsFlag,
  'dry-run': { value: null, short: 'n', help: 'list what would be uploaded, and send nothing' },
} as const

type Given = FlagValues<typeof flags>

export const uploadCommand: Command<typeof flags> = {
  operands: 'NAME PATH...',
  summary:
    'Upload files, directories and globs as one artifact, sending only what the server lacks.',
  flags,
  examples: [
    'trove upload build dist',
    "trove upload logs '**/*.log' '!node_modules/**'",
    'trove upload coverage coverage --retention-days 7 --overwrite',
  ],
  exitStatuses: [3, 5, 6, 7, 8, 9, 10, 12, 14],
  async run(invocation) {
    const { flags: given, operands, stdout, stderr, signal } = invocation
    const [name, ...patterns] = operands
    if (name === undefined) throw new UsageError('NAME is missing')
    if (patterns.length === 0) throw new UsageError('PATH is missing')
    if (patterns.includes('-'))
      throw new UsageError('stdin cannot be uploaded; for a file called -, use ./-')
    parseArtifactName(name)
    const { 'if-no-files-found': whenEmpty } = given
    const hidden: HiddenPaths = { count: 0, first: '' }
    const source = {
      kind: 'patterns',
      patterns,
      directory: process.cwd(),
      includeHidden: given['include-hidden'],
      symlinks: given.symlinks ?? 'keep',
      exclude: given.exclude,
      onHidden: (path: string): void => {
        if (hidden.count++ === 0) hidden.first = path
      },
    } as const
    const whenNone = async (error: unknown): Promise<void> => {
      if (!hasCode(error, 'no_files') || whenEmpty === 'error') throw error
      const text = `trove: warning: ${printable(error.message)}\n${describeHidden(hidden)}`
      if (whenEmpty === 'warn') await write(stderr, text)
      if (given.json) await writeJson(stdout, null)
    }
    await write(stderr, missingText(patterns))
    if (given['dry-run']) return await listSource(invocation, source, hidden).catch(whenNone)
    const context = await connect(given, { stderr, signal })
    const { config, client, progress } = context
    const startedAt = performance.now()
    let secrets: readonly SecretInFile[] = []
    try {
      const target = uploadTarget(context, name, given)
      const result = await client.upload({
        ...target,
        source,
        compressionLevel: given['compression-level'],
        jobs: given.jobs,
        signal,
        onProgress: showUpload(progress),
        onRetry: progress.retrying,
        onSecrets: (found, failure) => {
          if (given['fail-on-secrets'])
            throw secretsFound(found, failure && unknownDismissals(failure.message))
          secrets = found
        },
      })
      progress.finish()
      const elapsedMs = performance.now() - startedAt
      // Before any output, whether or not anybody reads that.
      await reportUpload(config, result)
      if (given.json) await writeJson(stdout, uploadJson(result, { secrets, hidden }))
      await write(stderr, warningOf(context, secretsText(secrets, result.artifact), name))
      await write(stderr, describeUpload(result, elapsedMs) + describeHidden(hidden))
      await write(stderr, unmetText(result.artifact, target))
    } catch (error) {
      progress.finish()
      if (isAbort(error)) await write(stderr, interruptedText)
      await whenNone(error)
    }
  },
}

const interruptedText =
  'trove: interrupted; the same command continues with what has not been sent\n'

function secretsFound(found: readonly SecretInFile[], note: string | null): Error {
  const text = describeSecrets(found).trimEnd()
  const message = `nothing was sent: the upload contains ${text}${note === null ? '' : `\n  ${note}`}`
  return storeError('secrets_found', message, { paths: found.map(({ path }) => path) })
}

/** Formats `text` for the reader of the log: a person, or the runner of a GitHub-style job. */
function warningOf({ config }: ServerContext, text: string, name: string): string | Uint8Array {
  if (text === '') return ''
  return config.summaryFile === null ? secretsWarning(text) : secretsAnnotation(name, text)
}

/** Errors: no_files. */
async function listSource(
  { flags: given, stdout, stderr, signal }: Invocation<typeof flags>,
  source: Omit<WalkOptions, 'signal'> & { patterns: readonly string[] },
  hidden: HiddenPaths,
): Promise<void> {
  const tree = await walkSources(source.patterns, { ...source, signal })
  if (tree.count === 0) throw noFiles(source.patterns)
  const secrets = findSourceSecrets(tree)
  if (secrets.length > 0 && given['fail-on-secrets'])
    throw secretsFound(secrets, unknownDismissals('a dry run does not ask the server'))
  if (given.json) await writeJson(stdout, tree.paths)
  else {
    const lines = tree.paths.map(
      (path, ordinal) => `${printable(path)}${tree.kind(ordinal) === 'directory' ? '/' : ''}\n`,
    )
    await write(stdout, lines.join(''))
  }
  if (secrets.length > 0) await write(stderr, secretsWarning(secretsText(secrets)))
  const entries = counted(tree.count, 'entry', 'entries')
  const text = `would upload ${entries} of ${printable(tree.root)}\n`
  await write(stderr, text + describeHidden(hidden))
}

function uploadTarget(context: ServerContext, name: string, given: Given): UploadTarget {
  const project = requireProject(context.project)
  const { config } = context
  if (config.run === null) throw new UsageError('the run is missing: set --run or TROVE_RUN')
  const { run, attempt, job, facts } = config
  return {
    project,
    run,
    name,
    overwrite: given.overwrite,
    ...(attempt !== null && { attempt }),
    ...(job !== null && { job }),
    ...knownFacts(facts),
    retentionDays: given['retention-days'],
  }
}

/** Shows two bars, for hashing and sending; content that the server already has counts as sent. */
function showUpload(progress: Progress): (now: UploadProgress) => void {
  let phase: UploadProgress['phase'] = 'hashing'
  return (now) => {
    if (now.phase !== phase) {
      if (phase === 'hashing') {
        progress.phase(
          `hashed ${counted(now.hashedFiles, 'file')}, ${formatSizeBytes(now.hashedBytes)}`,
        )
      }
      if (now.phase === 'finishing') {
        progress.phase(
          `sent ${formatSizeBytes(now.sentBytes)} for ${formatSizeBytes(now.totalBytes)}`,
        )
      }
      phase = now.phase
    }
    const hashed = {
      label: 'Hashing',
      doneBytes: now.hashedBytes,
      totalBytes: now.totalBytes,
      note: counted(now.files, 'file'),
    }
    if (phase === 'hashing') return progress.show([hashed])
    const note = phase === 'finishing' ? 'committing…' : `${formatSizeBytes(now.sentBytes)} sent`
    progress.show([
      hashed,
      { label: 'Sending', doneBytes: now.doneBytes, totalBytes: now.totalBytes, note },
    ])
  }
}
