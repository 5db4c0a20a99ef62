/** `trove url`: prints the URL of an artifact or of a file in it, for a browser or for a program
 *  with a token. */
import type { WireArtifact } from '../../api/messages.ts'
import { filePath } from '../../api/paths.ts'
import { findEntry, findFile, noFile } from '../../client/find-entry.ts'
import { signDownload } from '../../client/sign-download.ts'
import type { ServerAccess } from '../../client/transport/http.ts'
import { type EntryReference, parseEntryReference } from '../../core/reference.ts'
import { blobPath, latestPath, treePath } from '../../web/paths.ts'
import { serverFlags, takeOperands, UsageError } from '../arguments.ts'
import type { Command } from '../command.ts'
import { write, writeResult } from '../output/output.ts'
import { connectTo } from '../server-access.ts'

const flags = {
  ...serverFlags,
  immutable: {
    value: null,
    help: 'print the permanent URL, by id, when REF is latest:BRANCH/NAME',
  },
  download: {
    value: null,
    help: 'print the URL of the zip or of the file itself; requests need a token, unless the project is public',
  },
  sign: {
    value: null,
    help: 'print a URL of the zip or of the file itself that needs no token and expires after TROVE_DOWNLOAD_URL_TTL',
  },
} as const

export const urlCommand: Command<typeof flags> = {
  operands: 'REF[:PATH]',
  summary: 'Print the URL of the page of an artifact, or of a file or directory in it.',
  flags,
  examples: [
    'trove url 42/build',
    'trove url latest:main/docs:index.html --immutable',
    'curl -H "Authorization: Bearer $TROVE_TOKEN" "$(trove url 42/build:VERSION --download)"',
    'curl -o build.zip "$(trove url 42/build --sign)"',
    'trove url 42/build:report.html --sign',
  ],
  exitStatuses: [3, 4, 5, 6, 10],
  async run({ flags: given, operands, stdout, stderr, signal }) {
    const [target] = takeOperands(operands, ['REF'])
    const { reference, path } = parseEntryReference(target)
    // A signed URL is one of a download, so `--download` changes nothing.
    if (given.sign && given.immutable)
      throw new UsageError('--sign and --immutable cannot be combined')
    const { server, artifact } = await connectTo(given, reference, { stderr, signal })
    const { id: artifactId, name } = artifact
    if ((given.sign || given.download) && path !== '')
      await findFile(server, artifact, path, signal)
    const found = given.sign
      ? await signDownload(server, artifactId, { path, signal })
      : { url: await addressOf(server, artifact, { reference, path, signal, ...given }) }
    await writeResult(stdout, given, { artifactId, name, ...found }, () => `${found.url}\n`)
    if ('expiresAt' in found)
      await write(stderr, `valid without a token until ${found.expiresAt}\n`)
  },
}

/** Errors: not_found. */
async function addressOf(
  server: ServerAccess,
  artifact: WireArtifact,
  {
    reference,
    path,
    signal,
    immutable,
    download,
  }: EntryReference & { signal: AbortSignal; immutable: boolean; download: boolean },
): Promise<string> {
  const { id, name, project, run: runNumber, links } = artifact
  const { origin } = new URL(links.html)
  if (download) return path === '' ? links.download : origin + filePath(id, path)
  const entry = path === '' ? null : await findEntry(server, artifact, path, signal)
  if (entry?.kind === 'symlink') throw noFile(artifact, entry, path)
  if (reference.kind === 'latest' && !immutable)
    return origin + latestPath(project, { branch: reference.branch, name }, path)
  const place = { project, runNumber, id }
  return origin + (entry?.kind === 'file' ? blobPath(place, path) : treePath(place, path))
}
