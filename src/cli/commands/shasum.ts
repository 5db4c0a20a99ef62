/** `trove shasum`: digests that `sha256sum -c` takes, as they are stored; nothing is downloaded for them. */
import type { WireArtifact } from '../../api/messages.ts'
import { readArtifact } from '../../client/find-artifact.ts'
import { noFile, type WireFile } from '../../client/find-entry.ts'
import { readEntries } from '../../client/read-entries.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { zipDigestOf } from '../../client/zip-digest.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { parseWireDigest } from '../../core/digest.ts'
import { parseEntryPath } from '../../core/entry.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitStatus } from '../exit-status.ts'
import { jsonArrayOf, printable, write, writeAll, writeJson } from '../output.ts'
import { connect } from '../server-access.ts'

const flags = {
  ...serverFlags,
  zip: {
    value: null,
    help: 'of the zip, as it is downloaded; known of what was uploaded as one',
  },
  tree: { value: null, help: 'of the tree: the same for the same paths, modes and contents' },
} as const

export const shasumCommand: Command<typeof flags> = {
  name: 'shasum',
  operands: 'REF[:PATH]',
  summary: 'Prints the SHA-256 of the files of an artifact, as `sha256sum` does.',
  flags,
  examples: [
    'trove shasum 42/build | (cd dist && sha256sum -c)',
    'trove shasum latest:main/build:bin/app',
    'trove shasum 42/build --zip | sha256sum -c',
    'trove shasum 42/build --tree',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF'])
    const { reference, path } = parseEntryReference(target)
    if (given.zip && given.tree) throw new UsageError('--zip and --tree exclude each other')
    if ((given.zip || given.tree) && path !== '')
      throw new UsageError(
        `--${given.zip ? 'zip' : 'tree'} is of the whole: write REF without :PATH`,
      )
    const { server, project } = await connect(given, signal)
    const artifact = await readArtifact(server, reference, { project, signal })
    const { id: artifactId, name, treeDigest } = artifact
    if (given.tree) {
      if (given.json) await writeJson(stdout, { artifactId, name, treeDigest })
      else await write(stdout, `${treeDigest}\n`)
      return exitStatus.ok
    }
    const shown = stdout.isTTY ? printable : (text: string) => text
    if (given.zip) {
      const zipDigest = zipDigestOf(artifact)
      if (given.json) await writeJson(stdout, { artifactId, name, zipDigest })
      else
        await write(stdout, `${shown(checksumLine(zipDigest, `${parseArtifactName(name)}.zip`))}\n`)
      return exitStatus.ok
    }
    const files = filesOf(server, artifact, path, signal)
    if (given.json) {
      await writeAll(stdout, jsonArrayOf(files))
      return exitStatus.ok
    }
    let count = 0
    const lines = async function* (): AsyncGenerator<string> {
      for await (const file of files) {
        count += 1
        yield `${shown(checksumLine(file.digest, file.path))}\n`
      }
    }
    await writeAll(stdout, lines())
    if (count === 0) await write(stderr, `${printable(name)} has no files\n`)
    return exitStatus.ok
  },
}

/** All files, or the file at `path`, or those below it. Errors: not_found (a path with no file), unsafe_path (a server that
 *  lies), those of `readEntries`. */
async function* filesOf(
  server: ServerAccess,
  artifact: WireArtifact,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Pick<WireFile, 'path' | 'digest' | 'sizeBytes'>, void, undefined> {
  let count = 0
  let other = null
  for await (const entry of readEntries(server, artifact.id, { under: path, signal })) {
    if (entry.kind === 'file') {
      const { digest, sizeBytes } = entry
      yield { path: parseEntryPath(entry.path), digest, sizeBytes }
      count += 1
    } else if (entry.path === path) other = entry
  }
  if (count === 0 && path !== '') throw noFile(artifact, other, path)
}

/** As coreutils write it: a name with a backslash is escaped, which the line says at its front. A file called `-` would mean
 *  stdin; line feeds no path has. */
function checksumLine(wireDigest: string, path: string): string {
  const digest = parseWireDigest(wireDigest)
  if (digest === undefined) throw new TypeError(`not a digest: ${wireDigest}`)
  const line = `${digest}  ${path === '-' ? './-' : path}`
  return path.includes('\\') ? `\\${line.replaceAll('\\', '\\\\')}` : line
}
