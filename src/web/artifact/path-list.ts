/** The paths of an artifact's files for the box "Go to file": a hundredth of the size of the
 *  manifest, since it holds nothing but names. Each line is a JSON array of paths; an empty
 *  array marks the end, so that truncation is noticed. */
import { Readable } from 'node:stream'
import { walkEntries } from '../../browse/entries.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { packStream } from '../../http/body/gzip.ts'
import { watchIdle } from '../../http/body/send-representation.ts'
import type { Artifact } from '../../metadata/metadata.ts'

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
  // A body that is never read would keep its walk from ending.
  if (c.req.method === 'HEAD') return c.body(null, 200, headers)
  watchIdle(c, context.config.idleMs)
  // Read ahead by bytes: sixteen lines can have 64 MB.
  const lines = Readable.from(linesOfPaths(context, artifact), { objectMode: false })
  const { body, encoding } = packStream(c, lines, { level: 3 })
  return c.body(Readable.toWeb(body) as ReadableStream, 200, { ...headers, ...encoding })
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
