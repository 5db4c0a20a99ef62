/** Redirects a permanent address to the newest live artifact of a name on a branch: to its page, or
 *  with `?download` to its bytes. */
import { filePath } from '../../api/paths.ts'
import { noSuchPath } from '../../browse/entries.ts'
import { findThrough } from '../../browse/links.ts'
import { parseArtifactName } from '../../core/artifact.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { invalidRequest } from '../../core/errors.ts'
import { readLive } from '../../http/access/access.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { restOfPath } from '../../http/input.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { entryPagePath, projectOfPage } from '../page-access.ts'
import type { Web } from '../page.tsx'
import { archivePartPath } from '../paths.ts'

export async function latestPage({ context }: Web, c: AppRequest): Promise<Response> {
  const path = withoutEndSlashes(restOfPath(c, 5))
  const { principal, project } = await projectOfPage(context, c)
  const reference = {
    kind: 'latest',
    branch: c.req.param('branch') ?? '',
    name: parseArtifactName(c.req.param('name') ?? ''),
  } as const
  const artifact = await readLive(context, principal, reference, project.name)
  if (isDownload(c)) return c.redirect(await bytesPath(context, c, artifact, path), 302)
  return c.redirect(await entryPagePath(context, artifact, path), 302)
}

/** Whether the address is that of bytes, which programs read, too. */
export function isDownload(c: AppRequest): boolean {
  return c.req.query('download') !== undefined
}

/** The address of a file of the artifact; of the artifact or a directory in it, as a zip or tar.gz.
 *  Errors: invalid_request, not_found. */
async function bytesPath(
  { metadata }: AppContext,
  c: AppRequest,
  artifact: Artifact,
  path: string,
): Promise<string> {
  const format = formats.get(c.req.query('download') ?? '')
  if (format === undefined) throw invalidRequest('download', 'download must be zip or tar.gz')
  if (path === '') return archivePartPath(artifact.id, format, {})
  const meant = await findThrough(metadata, artifact.id, path)
  if (meant === undefined) throw noSuchPath(artifact, path)
  if (meant.kind === 'file') return `${filePath(artifact.id, meant.path)}?download=1`
  return archivePartPath(artifact.id, format, { directory: meant.path })
}

const formats: ReadonlyMap<string, 'zip' | 'tar.gz'> = new Map([
  ['', 'zip'],
  ['zip', 'zip'],
  ['tar.gz', 'tar.gz'],
])
