/** Credentials found in an artifact: listing them and dismissing false positives, and which files
 *  of a project are dismissed. */
import type { Hono } from 'hono'
import { apiRoot } from '../../api/paths.ts'
import {
  dismissedQuestionSchema,
  secretDismissalSchema,
  type WireDismissedAnswer,
  type WireSecretList,
} from '../../api/secrets.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { secretTitle } from '../../core/secrets/secrets.ts'
import {
  findProject,
  inspectedArtifact,
  liveArtifact,
  requireOfProject,
  requireWriteProject,
} from '../access/access.ts'
import { authorOf } from '../access/actor.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { digestField, parseBody, projectParameter } from '../input.ts'
import { instant } from '../instant.ts'

const ofArtifact = '/artifacts/:id{[0-9]+}/secrets'

export function addSecretRoutes(app: Hono<AppEnv>, context: AppContext): void {
  const routes = app.basePath(apiRoot)
  routes.get(ofArtifact, async (c) => {
    const { artifact } = await inspectedArtifact(context, c)
    return c.json(await secretList(context, artifact.id))
  })
  routes.patch(ofArtifact, async (c) => {
    const { principal, artifact } = await liveArtifact(context, c)
    requireWriteProject(principal, artifact.project)
    const { digest, dismissed } = await parseBody(context, c, secretDismissalSchema)
    const change = { digest: digestField(digest, 'digest'), dismissed }
    await context.metadata.dismissSecrets(artifact.id, change, authorOf(context, principal, 'api'))
    return c.json(await secretList(context, artifact.id))
  })
  // Every uploader may ask, also with a token that reads only its run. The answer does not say
  // whether the project has such a file, only that somebody dismissed it.
  routes.post('/projects/:owner/:repo/dismissed-secrets', async (c) => {
    const principal = await requirePrincipal(context, c)
    const name = projectParameter(c)
    const project = await findProject(context, principal, name)
    requireOfProject(principal, name)
    const { digests } = await parseBody(context, c, dismissedQuestionSchema)
    const asked = digests.map((digest) => digestField(digest, 'digests'))
    const dismissed = project ? await context.metadata.listDismissed(project.id, asked) : []
    const answer: WireDismissedAnswer = { digests: dismissed.map(formatWireDigest) }
    return c.json(answer)
  })
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
