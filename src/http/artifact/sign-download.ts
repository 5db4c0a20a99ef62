/** Signs URLs of downloads: of a whole artifact, or of one file in it. */
import type { Hono } from 'hono'
import { apiRoot, filePath } from '../../api/paths.ts'
import { signedUrlQuery } from '../../api/queries.ts'
import type { WireSignedUrl } from '../../api/signed-url-messages.ts'
import { type Principal, signerOf } from '../../auth/principal.ts'
import { formatSignature, signTarget } from '../../auth/signed-urls.ts'
import { readFileEntry } from '../../browse/entries.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { liveArtifact } from '../access/access.ts'
import { type AppContext, type AppEnv, publicOrigin } from '../context.ts'
import { parseQuery } from '../input.ts'
import { instant } from '../instant.ts'

export function addSignedUrlRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/signed-url`, async (c) => {
    const { principal, artifact } = await liveArtifact(context, c)
    const { path } = parseQuery(c, signedUrlQuery)
    if (path !== undefined) await readFileEntry(context.metadata, artifact, path)
    const { address, expiresAt } = signDownload(context, principal, artifact, path)
    const url = publicOrigin(context, c) + address
    const message: WireSignedUrl = { url, expiresAt: instant(expiresAt) }
    return c.json(message, 200, { 'cache-control': 'no-store' })
  })
}

/** Returns the path and query of a URL that downloads without a token until `expiresAt` (epoch
 *  ms): the zip of the artifact or the file of a raw one, or with `path` that file of it. */
export function signDownload(
  { config, keys, now }: Pick<AppContext, 'config' | 'keys' | 'now'>,
  principal: Principal,
  artifact: Artifact,
  path?: string,
): { address: string; expiresAt: number } {
  const id = String(artifact.id)
  const target =
    path === undefined
      ? ({ access: 'read', route: 'artifact', id } as const)
      : ({ access: 'read', route: 'file', id, path } as const)
  const signer = signerOf(principal, artifact.project)
  const signature = signTarget(keys.signedUrls, target, now() + config.downloadUrlMs, signer)
  const place = path === undefined ? archivePlace(artifact) : filePath(artifact.id, path)
  return {
    address: `${place}?${formatSignature(signature)}`,
    expiresAt: Number(signature.se) * 1000,
  }
}

/** GITHUB-PROTOCOL §1.14: a path that ends in `.zip` is unzipped whatever its type. */
function archivePlace({ id, kind }: Artifact): string {
  return `/artifacts/download/${id}/${kind === 'raw' ? 'artifact' : 'artifact.zip'}`
}
