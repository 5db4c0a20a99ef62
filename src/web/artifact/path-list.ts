/** The paths of an artifact's files for the box "Go to file": a hundredth of the size of the
 *  manifest, since it holds nothing but names. Each line is a JSON array of paths; an empty
 *  array marks the end, so that truncation is noticed. */
import { walkEntries } from '../../browse/entries.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { linesOf, ndjsonType, sendPieces } from '../../http/body/lines.ts'
import { isUnmodified } from '../../http/body/send-representation.ts'
import type { Artifact } from '../../metadata/metadata.ts'

const pathsPerLine = 1000

export async function sendPaths(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
): Promise<Response> {
  // Paths are part of the tree digest, so equal digests have equal paths.
  const etag = `"paths-${artifact.treeDigest}"`
  const headers = { etag, vary: 'Accept-Encoding' }
  if (isUnmodified(c, etag)) return c.body(null, 304, headers)
  return await sendPieces(context, c, linesOf(listsOfPaths(context, artifact)), {
    type: ndjsonType,
    headers,
    gzip: { level: 3 },
  })
}

async function* listsOfPaths(
  { metadata }: AppContext,
  artifact: Artifact,
): AsyncGenerator<string[], void, undefined> {
  let paths: string[] = []
  for await (const { entry } of walkEntries(metadata, artifact.id)) {
    if (entry.kind !== 'file') continue
    paths.push(entry.path)
    if (paths.length < pathsPerLine) continue
    yield paths
    paths = []
  }
  if (paths.length > 0) yield paths
  yield []
}
