/** The page that uploads files from a browser. */
import { forbidden } from '../../core/errors.ts'
import type { AppRequest } from '../../http/context.ts'
import { headingOf, inspectedProjectOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { UploadPage } from './upload-page.tsx'

export async function uploadPage(web: Web, c: AppRequest): Promise<Response> {
  const { project, mayWrite } = await inspectedProjectOfPage(web.context, c)
  if (!mayWrite) throw forbidden('uploading requires a token of scope write')
  const [last] = await web.context.metadata.listRuns(project.id, { limit: 1 })
  return await sendPage(web, c, {
    ...headingOf('Upload', project.name),
    scripts: ['upload-page'],
    body: (
      <UploadPage
        project={project.name}
        run={(last?.number ?? 0) + 1}
        hashWorker={web.assets.pathOf('hash-worker')}
      />
    ),
  })
}
