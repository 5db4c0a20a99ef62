/** `trove shasum`: prints stored digests in the format of `sha256sum -c`, without downloading
 *  anything. */
import type { WireArtifact } from '../../api/messages.ts'
import { noFile, type WireFile } from '../../client/find-entry.ts'
import { readEntries } from '../../client/read-entries.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { digestIn } from '../../client/transport/message.ts'
import { zipDigestOf } from '../../client/artifacts.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { parseEntryPath } from '../../core/manifest/entry.ts'
import { parseEntryReference } from '../../core/reference.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import {
  jsonArrayOf,
  printable,
  write,
  writeAll,
  writeAllRaw,
  writeJson,
} from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = {
  ...serverFlags,
  zip: {
    value: null,
    help: 'print the digest of the zip; known only for artifacts uploaded as a zip',
  },
  tree: {
    value: null,
    help: 'print the tree digest, which is equal for equal paths, modes and contents',
  },
} as const

export const shasumCommand: Command<typeof flags> = {
  operands: 'REF[:PATH]',
  summary: 'Print the SHA-256 of the files of an artifact, like `sha256sum`.',
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
    if (given.zip && given.tree) throw new UsageError('--zip and --tree cannot be combined')
    if ((given.zip || given.tree) && path !== '')
      throw new UsageError(
        `--${given.zip ? 'zip' : 'tree'} applies to the whole artifact: use REF without :PATH`,
      )
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const { id: artifactId, name, treeDigest } = artifact
    if (given.tree)
      return await (given.json
        ? writeJson(stdout, { artifactId, name, treeDigest })
        : write(stdout, `${treeDigest}\n`))
    const writeLines = stdout.isTTY ? writeAll : writeAllRaw
    if (given.zip) {
      const zipDigest = zipDigestOf(artifact)
      if (given.json) return await writeJson(stdout, { artifactId, name, zipDigest })
      const line = checksumLine(digestIn(server, zipDigest), `${parseArtifactName(name)}.zip`)
      return await writeLines(stdout, [`${line}\n`])
    }
    const files = filesOf(server, artifact, path, signal)
    if (given.json) return await writeAll(stdout, jsonArrayOf(files))
    let count = 0
    const lines = async function* (): AsyncGenerator<string> {
      for await (const file of files) {
        count += 1
        yield `${checksumLine(digestIn(server, file.digest), file.path)}\n`
      }
    }
    await writeLines(stdout, lines())
    if (count === 0) await write(stderr, `${printable(name)} has no files\n`)
  },
}

/** Yields all files, or the file at `path`, or the files below it. Errors: not_found (a path
 *  without files), unsafe_path (from a misbehaving server), and those of `readEntries`. */
async function* filesOf(
  server: ServerAccess,
  artifact: WireArtifact,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<Pick<WireFile, 'path' | 'digest' | 'sizeBytes'>, void, undefined> {
  let count = 0
  let other = null
  const { id, files } = artifact
  for await (const entry of readEntries(server, id, { under: path, files, signal })) {
    if (entry.kind === 'file') {
      const { digest, sizeBytes } = entry
      yield { path: parseEntryPath(entry.path), digest, sizeBytes }
      count += 1
    } else if (entry.path === path) other = entry
  }
  if (count === 0 && path !== '') throw noFile(artifact, other, path)
}

/** Formats a line like coreutils: a backslash in the name is escaped, which a leading backslash
 *  marks. A file named `-` would mean stdin; paths contain no line feeds. */
function checksumLine(digest: Digest, path: string): string {
  const line = `${digest}  ${path === '-' ? './-' : path}`
  return path.includes('\\') ? `\\${line.replaceAll('\\', '\\\\')}` : line
}
