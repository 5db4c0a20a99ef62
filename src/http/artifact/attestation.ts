/** `GET /artifacts/{id}/attestation`: the server's attestation of an artifact; and the public
 *  keys to verify it, open to all. */
import type { Hono } from 'hono'
import { bundleMediaType } from '../../core/attestation.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { apiRoot, attestationKeysPath } from '../../api/paths.ts'
import { noFields, attestationQuery } from '../../api/queries.ts'
import { signStatement } from '../../auth/sign-statement.ts'
import { statementOf } from '../../browse/statement.ts'
import { liveArtifact } from '../access/access.ts'
import { sendPieces } from '../body/lines.ts'
import type { AppContext, AppEnv, AppRequest } from '../context.ts'
import { parseQuery } from '../input.ts'

export function addAttestationRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get(attestationKeysPath, (c) => {
    parseQuery(c, noFields)
    return c.body(context.attestationKeys.publicKeys, 200, {
      'content-type': 'application/x-pem-file',
      'cache-control': 'no-cache',
    })
  })
  app.get(`${apiRoot}/artifacts/:id{[0-9]+}/attestation`, async (c) => await attest(context, c))
}

async function attest(context: AppContext, c: AppRequest): Promise<Response> {
  const { artifact } = await liveArtifact(context, c)
  const { path } = parseQuery(c, attestationQuery)
  const extent = { path: withoutEndSlashes(path), store: context.config.publicUrl }
  const { signal } = c.req.raw
  const bundle = signStatement(context.attestationKeys, async function* () {
    for await (const text of statementOf(context.metadata, artifact, extent)) {
      signal.throwIfAborted()
      yield text
    }
  })
  return await sendPieces(context, c, bundle, { type: bundleMediaType })
}
