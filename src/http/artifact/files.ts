/** Single files, whole or in part, by a token or a URL signed for the file. Sent as gzip, from the
 *  stored stream, to clients that accept it. */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { fileQuery } from '../../api/queries.ts'
import { readFileEntry } from '../../browse/entries.ts'
import { representFile } from '../../egress/egress.ts'
import type { Representation } from '../../egress/representation.ts'
import type { Artifact, StoredFile } from '../../metadata/metadata.ts'
import { liveArtifact } from '../access/access.ts'
import { signedArtifact } from '../access/signed-access.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { acceptsGzip } from '../body/gzip.ts'
import { parseQuery, restOfPath } from '../input.ts'
import { sendUnderLease } from '../body/reading.ts'
import { mediaTypeOf, untrustedContentPolicy } from '../body/media-type.ts'

export function addFileRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/files/*`, async (c) => {
    const { download, ...signature } = parseQuery(c, fileQuery)
    const path = restOfPath(c, 5)
    const target = { route: 'file', id: c.req.param('id'), path } as const
    const isSigned = signature.se !== undefined || signature.sig !== undefined
    const artifact = isSigned
      ? await signedArtifact(context, c, target, signature)
      : (await liveArtifact(context, c)).artifact
    c.header('vary', 'Accept-Encoding')
    c.header('content-security-policy', untrustedContentPolicy)
    c.header('cross-origin-resource-policy', 'same-origin')
    return await sendUnderLease(context, c, {
      artifacts: [artifact],
      represent: async () => {
        const file = await readFileEntry(context.metadata, artifact, path)
        return await chooseForm(context, c, artifact, file)
      },
      mode: 'ranged',
      disposition: download ? 'attachment' : 'inline',
    })
  })
}

async function chooseForm(
  context: AppContext,
  c: AppRequest,
  artifact: Artifact,
  file: StoredFile,
): Promise<Representation> {
  const contentType = mediaTypeOf(file.path)
  if (acceptsGzip(c)) {
    const compressed = await representFile(context, artifact, file, { contentType, gzip: true })
    if (compressed.totalBytes < file.sizeBytes) return compressed
  }
  return await representFile(context, artifact, file, { contentType })
}
