/** `trove verify`: whether what lies on this machine is what an artifact holds. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { WireArtifact } from '../../api/messages.ts'
import type { TreeDifference, VerifyResult } from '../../client/client.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { parseReference } from '../../core/reference.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { jobsFlag, jobsOf, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { exitStatus, type ExitStatus } from '../exit-status.ts'
import { jsonWithItems, printable, write, writeAll, writeJson } from '../output.ts'
import { createProgress } from '../progress.ts'
import { connect, type ServerContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  path: { value: 'GLOB', repeats: true, help: 'only entries whose paths match' },
  extra: { value: null, help: 'tell what DIR has and the artifact does not have as well' },
  jobs: jobsFlag,
} as const

type VerifyInvocation = Invocation<typeof flags>

export const verifyCommand: Command<typeof flags> = {
  name: 'verify',
  operands: 'REF [DIR|FILE]',
  summary:
    'Compares a directory with what an artifact holds, or a file with its zip; reads every byte, changes nothing.',
  flags,
  examples: [
    'trove verify 42/build dist',
    'trove verify 42/build dist --extra',
    "trove verify latest:main/build . --path 'bin/**'",
    'trove verify 42/build build.zip',
  ],
  exitStatuses: [3, 4, 5, 6, 8, 9, 10, 12],
  oneMeans: 'they differ',
  async run(invocation) {
    const { flags: given, operands, signal } = invocation
    const [text, target = '.'] = takeOperands(operands, ['REF'], ['DIR|FILE'])
    const reference = parseReference(text)
    if (given.extra && given.path.length > 0)
      throw new UsageError('--extra and --path exclude each other')
    const context = await connect(given, signal)
    const { server, project } = context
    const isFile = isFileAt(target)
    if (isFile && (given.extra || given.path.length > 0))
      throw new UsageError(`--${given.extra ? 'extra' : 'path'} works with a directory only`)
    const artifact = await readArtifact(server, reference, { project, signal })
    const place = { artifact, path: resolve(target) }
    return await (isFile ? compareFile : compareDirectory)(context, invocation, place)
  },
}

/** Whatever else is there, or cannot be seen, is told by who wants a directory. */
function isFileAt(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

interface Place {
  artifact: WireArtifact
  /** Absolute. */
  path: string
}

async function compareDirectory(
  { client, config }: ServerContext,
  { flags: given, stdout, stderr, signal }: VerifyInvocation,
  { artifact, path }: Place,
): Promise<ExitStatus> {
  const progress = createProgress(stderr, { bars: !config.ci })
  const verifying = client.verify({
    artifact,
    directory: path,
    paths: given.path,
    extra: given.extra,
    ...jobsOf(given),
    signal,
    onProgress: ({ files, doneBytes, totalBytes }) => {
      progress.show([{ label: 'Reading', doneBytes, totalBytes, note: counted(files, 'file') }])
    },
  })
  const result = await verifying.finally(progress.finish)
  if (given.json) {
    const { differences, ...totals } = result
    const head = { artifactId: artifact.id, name: artifact.name, directory: path, ...totals }
    await writeAll(stdout, jsonWithItems(head, differences))
  } else await writeAll(stdout, linesOf(result))
  await write(stderr, `${printable(artifact.name)}  ${summaryOf(result)}  ${printable(path)}\n`)
  return result.missing + result.changed + result.extra === 0 ? exitStatus.ok : exitStatus.failure
}

function* linesOf({ differences }: VerifyResult): Iterable<string> {
  for (const difference of differences) yield lineOf(difference)
}

function lineOf({ kind, path, expected, found }: TreeDifference): string {
  const how =
    expected === null || found === null ? '' : ` (${printable(found)}, not ${printable(expected)})`
  return `${kind.padEnd(10)} ${printable(path)}${how}\n`
}

function summaryOf({ files, logicalBytes, missing, changed, extra }: VerifyResult): string {
  const counts = [
    [missing, 'missing'],
    [changed, 'changed'],
    [extra, 'extra'],
  ] as const
  const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const outcome = told.length === 0 ? 'all the same' : told.join(', ')
  return `${counted(files, 'file')}, ${formatSizeBytes(logicalBytes)}: ${outcome}`
}

async function compareFile(
  { client, config }: ServerContext,
  { flags: given, stdout, stderr, signal }: VerifyInvocation,
  { artifact, path }: Place,
): Promise<ExitStatus> {
  const progress = createProgress(stderr, { bars: !config.ci })
  const totalBytes = statSync(path).size
  const verifying = client.verifyFile({
    artifact,
    file: path,
    signal,
    onProgress: (doneBytes) => {
      progress.show([{ label: 'Reading', doneBytes, totalBytes }])
    },
  })
  const { expected, found } = await verifying.finally(progress.finish)
  const { id: artifactId, name } = artifact
  if (given.json) await writeJson(stdout, { artifactId, name, file: path, expected, found })
  else if (expected !== found)
    await write(stdout, lineOf({ kind: 'content', path, expected, found }))
  const outcome = expected === found ? 'the same' : 'not the same'
  await write(
    stderr,
    `${printable(name)}  ${formatSizeBytes(totalBytes)}: ${outcome}  ${printable(path)}\n`,
  )
  return expected === found ? exitStatus.ok : exitStatus.failure
}
