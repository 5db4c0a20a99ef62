/** `trove download`: brings a directory to what an artifact holds, fetching only what it lacks; or saves an archive. */
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { WireArtifact } from '../../api/messages.ts'
import { archivePath } from '../../api/paths.ts'
import { type Client, createClient } from '../../client/client.ts'
import type { DownloadResult } from '../../client/download.ts'
import type { DownloadProgress } from '../../client/downloading.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { openResponse } from '../../client/http.ts'
import { storeError } from '../../core/errors.ts'
import { compilePathGlobs } from '../../core/path-glob.ts'
import { parseReference } from '../../core/reference.ts'
import { formatSizeBytes } from '../../core/units.ts'
import { serverFlags, UsageError } from '../arguments.ts'
import { type Command, type Invocation } from '../command.ts'
import { exitStatus, type ExitStatus } from '../exit-status.ts'
import { writeOutputs } from '../job-report.ts'
import { printable, write, writeJson } from '../output.ts'
import { createProgress } from '../progress.ts'
import { serverContext, type ServerContext } from '../server-access.ts'
import { integer } from './upload.ts'

const flags = {
  ...serverFlags,
  run: {
    value: 'ID',
    help: 'run whose artifacts --pattern chooses from (TROVE_RUN, GITHUB_RUN_ID)',
  },
  pattern: { value: 'GLOB', help: 'artifacts of the run whose names match, in place of REF' },
  path: { value: 'GLOB', help: 'only files and links whose paths match' },
  'merge-multiple': {
    value: null,
    help: 'with --pattern: all into DEST itself, not into a folder each',
  },
  delete: { value: null, help: 'remove from DEST what the artifact does not have' },
  format: { value: 'FORM', help: 'dir (default), zip or tar.gz' },
  output: { value: 'FILE', short: 'o', help: 'where the archive goes; - is stdout' },
  jobs: { value: 'N', help: 'threads; one for each processor by default' },
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
    'trove download 42/build --format tar.gz -o - | tar tz',
  ],
  exitStatuses: [3, 4, 5, 6, 8, 10],
  async run(invocation) {
    const { flags: given, operands } = invocation
    const context = serverContext(given)
    if (given.pattern !== undefined) return await downloadMatching(context, invocation)
    const [text, target, ...rest] = operands
    if (text === undefined) throw new UsageError('REF is missing')
    if (rest.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(rest[0])}`)
    const { server, project } = context
    const artifact = await readArtifact(server, parseReference(text), {
      project,
      signal: invocation.signal,
    })
    const format = given.format ?? 'dir'
    if (format === 'zip' || format === 'tar.gz')
      return await saveArchive(context, invocation, { artifact, format })
    if (format !== 'dir')
      throw new UsageError(`--format must be dir, zip or tar.gz, got ${JSON.stringify(format)}`)
    const result = await downloadOne(context, invocation, {
      artifact,
      destination: resolve(target ?? '.'),
    })
    await tell(invocation, [result])
    return exitStatus.ok
  },
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
  const { config, project, server } = context
  if (operands.length > 1)
    throw new UsageError(`unexpected argument ${JSON.stringify(operands[1])}`)
  if (config.run === null) throw new UsageError('a run is missing: --run or TROVE_RUN')
  const matches = compilePathGlobs([given.pattern ?? '*'])
  const root = resolve(operands[0] ?? '.')
  const client = clientOf(context)
  const results: Downloaded[] = []
  const names = new Set<string>()
  for await (const artifact of client.list({ project, run: config.run, signal })) {
    // The newest attempt comes first; older ones of the same name are history.
    if (names.has(artifact.name) || !matches(artifact.name)) continue
    names.add(artifact.name)
    const destination = given['merge-multiple'] ? root : join(root, artifact.name)
    if (given.delete && given['merge-multiple'])
      throw new UsageError('--delete and --merge-multiple exclude each other')
    results.push(await downloadOne(context, invocation, { artifact, destination }))
  }
  if (results.length === 0) {
    const reference = `${config.run}/${given.pattern}`
    throw storeError('artifact_not_found', `no artifact of ${server.url} matches ${reference}`, {
      reference,
    })
  }
  await tell(invocation, results)
  return exitStatus.ok
}

function clientOf({ server, config }: ServerContext): Client {
  return createClient({ ...server, cacheDir: config.cacheDir })
}

async function downloadOne(
  context: ServerContext,
  { flags: given, stderr, signal }: Invocation<DownloadFlags>,
  { artifact, destination }: { artifact: WireArtifact; destination: string },
): Promise<Downloaded> {
  const progress = createProgress(stderr, { bars: !context.config.ci })
  let phase: DownloadProgress['phase'] | undefined
  try {
    const result = await clientOf(context).download({
      artifact,
      destination,
      delete: given.delete,
      ...(given.path !== undefined && { paths: [given.path] }),
      ...(given.jobs !== undefined && { jobs: integer(given.jobs, '--jobs', 1, 64) }),
      signal,
      onProgress: (now) => {
        if (now.phase !== phase && now.phase === 'fetching') {
          progress.phase(
            `${formatSizeBytes(now.doneBytes)} of ${formatSizeBytes(now.totalBytes)} are there`,
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
    await writeOutputs(context.config, { 'download-path': destination })
    return { artifact, destination, ...result }
  } finally {
    progress.finish()
  }
}

async function tell(
  { flags: given, stdout, stderr }: Invocation<DownloadFlags>,
  results: Downloaded[],
): Promise<void> {
  if (given.json) {
    const messages = results.map(({ artifact, ...result }) => ({
      artifactId: artifact.id,
      name: artifact.name,
      ...result,
    }))
    await writeJson(stdout, given.pattern === undefined ? messages[0] : messages)
  }
  for (const {
    artifact,
    files,
    logicalBytes,
    writtenFiles,
    fetchedBytes,
    deletedPaths,
    destination,
  } of results) {
    const deleted = deletedPaths === 0 ? '' : `, ${deletedPaths} deleted`
    await write(
      stderr,
      `${printable(artifact.name)}  ${writtenFiles} of ${files} files written${deleted}, ` +
        `${formatSizeBytes(fetchedBytes)} received for ${formatSizeBytes(logicalBytes)}  ${printable(destination)}\n`,
    )
  }
}

async function saveArchive(
  context: ServerContext,
  { flags: given, stdout, stderr, signal }: Invocation<DownloadFlags>,
  { artifact, format }: { artifact: WireArtifact; format: 'zip' | 'tar.gz' },
): Promise<ExitStatus> {
  const response = await openResponse(context.server, {
    path: archivePath(artifact.id, format),
    query: { path: given.path },
    headers: { 'accept-encoding': 'identity' },
    signal,
  })
  const body = Readable.fromWeb((response.body ?? new ReadableStream()) as NodeReadableStream)
  if (given.output === '-') {
    await pipeline(body, stdout, { end: false })
    return exitStatus.ok
  }
  const target = resolve(given.output ?? `${artifact.name}.${format}`)
  const partial = `${target}.partial`
  try {
    await pipeline(body, createWriteStream(partial))
    await rename(partial, target)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  await write(stderr, `${printable(artifact.name)}  ${printable(target)}\n`)
  return exitStatus.ok
}
