/** The page of a file's history. */
import { limits } from '../../core/limits.ts'
import { requireReadProject } from '../../http/access/access.ts'
import { pathHistory } from '../../http/artifact/history.ts'
import type { AppRequest } from '../../http/context.ts'
import { numberOfQuery } from '../input.ts'
import { artifactCrumbs, entryPathOf, liveArtifactOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { HistoryPage } from './history-page.tsx'

export async function historyPage(web: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await liveArtifactOfPage(web.context, c)
  requireReadProject(principal, artifact.project)
  const path = entryPathOf(c)
  const history = await pathHistory(web.context, c, {
    artifact,
    path,
    beforeId: numberOfQuery(c, 'before'),
    limit: limits.listPageDefault,
  })
  return await sendPage(web, c, {
    title: `History of ${path} · ${artifact.name}`,
    crumbs: artifactCrumbs(artifact),
    body: <HistoryPage artifact={artifact} path={path} history={history} now={web.context.now()} />,
  })
}
