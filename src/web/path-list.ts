/** The paths of an artifact's files for the box that goes to one of them: a hundredth of the manifest, since nothing but
 *  names is in it. Lines of JSON, each a list of paths; an empty list ends them, so that what broke off is noticed. */
import { pipeline, Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { walkEntries } from '../browse/entries.ts'
import type { AppContext, AppRequest } from '../http/context.ts'
import { acceptsGzip } from '../http/files.ts'
import type { Artifact } from '../metadata/metadata.ts'

const pathsPerLine = 1000

export function sendPaths(context: AppContext, c: AppRequest, artifact: Artifact): Response {
  // Paths are part of the tree digest, so equal digests have equal paths.
  const etag = `"paths-${artifact.treeDigest}"`
  const headers = {
    'content-type': 'application/x-ndjson',
    'cache-control': 'private, no-cache',
    vary: 'Accept-Encoding',
    etag,
  }
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, headers)
  const lines = Readable.from(linesOfPaths(context, artifact))
  if (!acceptsGzip(c.req.header('accept-encoding')))
    return c.body(Readable.toWeb(lines) as ReadableStream, 200, headers)
  const gzip = createGzip({ level: 3 })
  // Whoever ends one ends the other; how it ends, the reader sees by the last line.
  pipeline(lines, gzip, () => undefined)
  return c.body(Readable.toWeb(gzip) as ReadableStream, 200, {
    ...headers,
    'content-encoding': 'gzip',
  })
}

async function* linesOfPaths(
  { metadata }: AppContext,
  artifact: Artifact,
): AsyncGenerator<string, void, undefined> {
  let paths: string[] = []
  for await (const { entry } of walkEntries(metadata, artifact.id)) {
    if (entry.kind !== 'file') continue
    paths.push(entry.path)
    if (paths.length < pathsPerLine) continue
    yield `${JSON.stringify(paths)}\n`
    paths = []
  }
  if (paths.length > 0) yield `${JSON.stringify(paths)}\n`
  yield '[]\n'
}
