/** Credentials found in an artifact: listing them and dismissing false positives. */
import { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import { secretDismissalSchema, type WireSecretList } from '../../api/secrets.ts'
import { formatWireDigest } from '../../core/digest.ts'
import { secretTitle } from '../../core/secrets.ts'
import { liveArtifact, requireWriteProject } from '../access/access.ts'
import { askedBy } from '../access/actor.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { digestField, parseBody } from '../input.ts'
import { instant } from './artifact-message.ts'

export function createSecretRoutes(context: AppContext): Hono<AppEnv> {
  const app = new Hono<AppEnv>().basePath(`${apiRoot}/artifacts/:id{[0-9]+}/secrets`)
  app.get('/', async (c) => {
    const { artifact } = await liveArtifact(context, c)
    c.header('cache-control', 'private, no-cache')
    return c.json(await secretList(context, artifact.id))
  })
  app.patch('/', async (c) => {
    const { principal, artifact } = await liveArtifact(context, c)
    requireWriteProject(principal, artifact.project)
    const { digest, dismissed } = await parseBody(context, c, secretDismissalSchema)
    const change = { digest: digestField(digest, 'digest'), dismissed }
    await context.metadata.dismissSecrets(artifact.id, change, askedBy(context, principal, 'api'))
    return c.json(await secretList(context, artifact.id))
  })
  return app
}

async function secretList({ metadata }: AppContext, artifactId: number): Promise<WireSecretList> {
  const { isScanned, passedOver, secrets } = await metadata.listSecrets(artifactId)
  return {
    artifact: artifactId,
    searched: isScanned,
    passedOver,
    secrets: secrets.map(({ path, line, kind, digest, dismissedAt }) => ({
      path,
      line,
      kind,
      title: secretTitle(kind),
      digest: formatWireDigest(digest),
      dismissedAt: dismissedAt === null ? null : instant(dismissedAt),
    })),
  }
}
