/** Pages and downloads of files in archives. */
import { noSuchPath } from '../../browse/entries.ts'
import { baseName } from '../../core/manifest/entry.ts'
import { bytesMediaType } from '../../core/media-type.ts'
import { untrustedContentPolicy } from '../../http/body/media-type.ts'
import { formatDisposition } from '../../http/body/send-representation.ts'
import type { AppRequest } from '../../http/context.ts'
import { numberOfQuery } from '../input.ts'
import { artifactCrumbs, readingForPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import type { UnpackedMember } from '../preview/archive.ts'
import { findMember, readMember } from '../preview/member.ts'
import { memberPreview } from '../preview/preview.tsx'
import type { ArtifactHead } from './artifact-page.tsx'
import { MemberPage } from './member-page.tsx'

/** Errors: not_found if the path is not that of a member of an archive either. */
export async function memberPage(
  web: Web,
  c: AppRequest,
  head: ArtifactHead,
  path: string,
): Promise<Response> {
  const { context } = web
  const { artifact } = head
  const { signal } = c.req.raw
  const place = await findMember(context.metadata, artifact.id, path)
  const member =
    place &&
    (await readingForPage(
      context,
      [artifact],
      async () => await readMember(web, artifact, place, signal),
    ))
  if (place === undefined || member === undefined) throw noSuchPath(artifact, path)
  const { isWhole } = member
  if (isWhole && c.req.query('download') === '1') return sendMember(c, place.name, member)
  const asText = c.req.query('as') === 'text'
  const wantedBytes = numberOfQuery(c, 'bytes') ?? 0
  const preview = await memberPreview({ web, artifact, wantedBytes, asText, signal }, path, member)
  const { sizeBytes } = member
  const view = { head, place, sizeBytes, isWhole, asText, preview }
  return await sendPage(web, c, {
    title: `${place.name} · ${artifact.name}`,
    crumbs: artifactCrumbs(artifact),
    body: <MemberPage {...view} />,
  })
}

function sendMember(c: AppRequest, name: string, { bytes }: UnpackedMember): Response {
  const fileName = baseName(name)
  return c.body(bytes, 200, {
    'content-type': bytesMediaType,
    'content-disposition': formatDisposition('attachment', fileName),
    'content-security-policy': untrustedContentPolicy,
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'private, no-cache',
  })
}
