/** Redirects a permanent address to the newest live artifact of a name on a branch. */
import { Hono } from 'hono'
import { parseArtifactName } from '../../core/artifact.ts'
import { readLive } from '../../http/access/access.ts'
import type { AppEnv, AppRequest } from '../../http/context.ts'
import { restOfPath } from '../../http/input.ts'
import { projectOfPage } from '../page-access.ts'
import type { Web } from '../page.tsx'
import { artifactPath, blobPath, treePath } from '../paths.ts'

export function createLatestRoutes(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/:owner/:repo/latest/:branch/:name', async (c) => await latest(web, c, ''))
  app.get('/:owner/:repo/latest/:branch/:name/*', async (c) => {
    return await latest(web, c, restOfPath(c, 5))
  })
  return app
}

async function latest(web: Web, c: AppRequest, path: string): Promise<Response> {
  const { context } = web
  const { principal, project } = await projectOfPage(context, c)
  const reference = {
    kind: 'latest',
    branch: c.req.param('branch') ?? '',
    name: parseArtifactName(c.req.param('name') ?? ''),
  } as const
  const artifact = await readLive(context, principal, reference, project.name)
  if (path === '') return c.redirect(artifactPath(artifact), 302)
  const found = await context.metadata.findEntry(artifact.id, path)
  const isFile = found?.entry.kind === 'file'
  return c.redirect(isFile ? blobPath(artifact, path) : treePath(artifact, path), 302)
}
