/** `trove verify`: compares local files with an artifact. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { WireArtifact } from '../../api/messages.ts'
import type { Attestation, TreeDifference, VerifyResult } from '../../client/client.ts'
import { type NameReference, parseReferenceOrName, type Reference } from '../../core/reference.ts'
import { formatSizeBytes, counted } from '../../core/units.ts'
import { jobsFlag, pathGlobsFlag, serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command, Invocation } from '../command.ts'
import { exitStatus, type ExitStatus } from '../exit-status.ts'
import {
  jsonWithItems,
  printable,
  unlessUnread,
  write,
  writeAll,
  writeJson,
} from '../output/output.ts'
import { connectTo, type ServerContext, serverContext } from '../server-access.ts'

const flags = {
  ...serverFlags,
  path: { ...pathGlobsFlag, help: 'compare only entries whose paths match' },
  extra: { value: null, help: 'also report paths in DIR that the artifact does not have' },
  jobs: jobsFlag,
  attestation: {
    value: 'FILE',
    help: 'compare with an attestation fetched by `trove attest`; REF may then be left out, or is what it must be about',
  },
  key: { value: 'FILE', help: 'public key that signed the attestation; no server is asked then' },
  'allow-untrusted': { value: null, help: 'accept attestations of runs of pull requests' },
} as const

type VerifyInvocation = Invocation<typeof flags>

export const verifyCommand: Command<typeof flags> = {
  operands: 'REF [DIR|FILE]',
  summary:
    'Compare a directory (by default the working directory) with an artifact, or a file with its zip. Reads every byte and changes nothing.',
  flags,
  examples: [
    'trove verify 42/build dist',
    'trove verify 42/build dist --extra',
    "trove verify latest:main/build . --path 'bin/**'",
    'trove verify 42/build build.zip',
    'trove verify octo/app@42/build dist --attestation build.json --key trove.pub',
    'trove verify app --attestation build.json --key trove.pub --project octo/app',
  ],
  exitStatuses: [3, 4, 5, 6, 8, 9, 10, 12],
  alsoMeans: { 1: 'they differ', 6: 'attestation rejected' },
  async run(invocation) {
    const { flags: given, operands } = invocation
    const { attestation } = given
    if (given.extra && given.path.length > 0)
      throw new UsageError('--extra and --path cannot be combined')
    if (attestation === undefined) {
      if (given.key !== undefined || given['allow-untrusted'])
        throw new UsageError('--key and --allow-untrusted need --attestation')
      const [text, target = '.'] = takeOperands(operands, ['REF'], ['DIR|FILE'])
      const reference = parseReferenceOrName(text)
      return await compare(invocation, target, () => namedArtifact(invocation, reference))
    }
    // The attestation itself says what it is about.
    const [first, second] = takeOperands(operands, ['DIR|FILE'], ['DIR|FILE'])
    const reference = second === undefined ? undefined : first
    const asked = { attestation, reference }
    return await compare(invocation, second ?? first, () => attestedArtifact(invocation, asked))
  },
}

async function compare(
  invocation: VerifyInvocation,
  target: string,
  find: () => Promise<Compared>,
): Promise<ExitStatus> {
  const { extra, path } = invocation.flags
  const isFile = isFileAt(target)
  if (isFile && (extra || path.length > 0))
    throw new UsageError(`--${extra ? 'extra' : 'path'} works only with a directory`)
  const place = { ...(await find()), path: resolve(target) }
  return await (isFile ? compareFile : compareDirectory)(invocation, place)
}

async function namedArtifact(
  invocation: VerifyInvocation,
  reference: Reference | NameReference,
): Promise<Compared> {
  const { artifact, ...context } = await connectTo(invocation.flags, reference, invocation)
  return { context, artifact }
}

function lacksProject(text: string | undefined): boolean {
  if (text === undefined) return false
  const reference = parseReferenceOrName(text)
  return reference.kind === 'name' || (reference.kind === 'run' && reference.project === null)
}

async function attestedArtifact(
  { flags: given, stderr, signal }: VerifyInvocation,
  asked: { attestation: string; reference: string | undefined },
): Promise<Compared> {
  const { key, project, 'allow-untrusted': allowUntrusted } = given
  // With a key no server is asked; a login can then only complete a REF without a project.
  const logins = key === undefined || (project === undefined && lacksProject(asked.reference))
  const context = serverContext(given, { stderr, logins })
  const { readAttested, describeAttestation } = await import('../attested.ts')
  const artifact = await readAttested(context, { ...asked, key, project, allowUntrusted }, signal)
  const { path } = artifact.receipt
  if (given.extra && path !== '')
    throw new UsageError(`--extra needs an attestation of the whole artifact, not of ${path}`)
  await write(stderr, `${describeAttestation(artifact)}\n`)
  return { context, artifact }
}

/** Anything else that is there, or cannot be examined, is reported by the comparison of
 *  directories. */
function isFileAt(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch {
    return false
  }
}

interface Compared {
  context: ServerContext
  artifact: WireArtifact | Attestation
}

interface Place extends Compared {
  /** Absolute path. */
  path: string
}

/** Fields of the JSON output that say what was compared with. */
function headOf(artifact: Compared['artifact']): object {
  const { id: artifactId, name } = artifact
  if (!('receipt' in artifact)) return { artifactId, name }
  const { receipt, keyId } = artifact
  return { artifactId, name, attestation: { ...receipt, keyId } }
}

async function compareDirectory(
  { flags: given, stdout, stderr, signal }: VerifyInvocation,
  { context: { client, progress }, artifact, path }: Place,
): Promise<ExitStatus> {
  const verifying = client.verify({
    artifact,
    directory: path,
    paths: given.path,
    extra: given.extra,
    jobs: given.jobs,
    signal,
    onProgress: ({ files, doneBytes, totalBytes }) => {
      progress.show([{ label: 'Reading', doneBytes, totalBytes, note: counted(files, 'file') }])
    },
  })
  const result = await verifying.finally(progress.finish)
  if (given.json) {
    const { differences, ...totals } = result
    const head = { ...headOf(artifact), directory: path, ...totals }
    await unlessUnread(writeAll(stdout, jsonWithItems(head, differences)))
  } else await unlessUnread(writeAll(stdout, linesOf(result)))
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
  const parts = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const outcome = parts.length === 0 ? 'identical' : parts.join(', ')
  return `${counted(files, 'file')}, ${formatSizeBytes(logicalBytes)}: ${outcome}`
}

async function compareFile(
  { flags: given, stdout, stderr, signal }: VerifyInvocation,
  { context: { client, progress }, artifact, path }: Place,
): Promise<ExitStatus> {
  const totalBytes = statSync(path).size
  const verifying = client.verifyFile({
    artifact,
    file: path,
    signal,
    onProgress: (doneBytes) => {
      progress.show([{ label: 'Reading', doneBytes, totalBytes }])
    },
  })
  const { expected, found, name } = await verifying.finally(progress.finish)
  if (given.json)
    await unlessUnread(
      writeJson(stdout, { ...headOf(artifact), file: path, expected, found, attested: name }),
    )
  else if (expected !== found)
    await unlessUnread(write(stdout, lineOf({ kind: 'content', path, expected, found })))
  const what = name === undefined ? '' : ` as ${printable(name)}`
  const outcome = expected === found ? `identical${what}` : 'different'
  await write(
    stderr,
    `${printable(artifact.name)}  ${formatSizeBytes(totalBytes)}: ${outcome}  ${printable(path)}\n`,
  )
  return expected === found ? exitStatus.ok : exitStatus.failure
}
