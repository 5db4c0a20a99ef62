/** Forms of one artifact: delete and undo, keep and stop keeping, dismiss secrets, change the
 *  expiry. */
import { runPagePath } from '../../api/paths.ts'
import { changedExpiresAt } from '../../core/policy/retention.ts'
import { dayMs } from '../../core/units.ts'
import { authorOf } from '../../http/access/actor.ts'
import { requireWriteProject } from '../../http/access/access.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { removeArtifacts } from '../../http/artifact/deletion.ts'
import { retentionOf } from '../../http/artifact/retention.ts'
import { requireDelete } from '../../http/access/strict.ts'
import { digestField } from '../../http/input.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact, Author } from '../../metadata/metadata.ts'
import { DeletePage, requireWord } from './delete-page.tsx'
import { daysOf, readForm } from '../input.ts'
import { artifactOfPage, artifactCrumbs, liveArtifactOfPage } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { actionPath, artifactPath, tabPath, withQuery } from '../paths.ts'

export async function deletePage(web: Web, c: AppRequest): Promise<Response> {
  const { metadata, now, config } = web.context
  const { principal, artifact } = await liveArtifactOfPage(web.context, c)
  await requireDelete(web.context, principal, [artifact])
  const deletion = await explainDeletion(metadata, [artifact.id], now())
  return await sendPage(web, c, {
    title: `Delete ${artifact.name}`,
    crumbs: artifactCrumbs(artifact),
    body: (
      <DeletePage
        artifacts={[artifact]}
        action={actionPath(artifact, 'delete')}
        back={artifactPath(artifact)}
        deletion={deletion}
        undoMs={config.undoMs}
      />
    ),
  })
}

/** `requirePrincipal` has already checked the origin of a session's POST. */
export async function deleteArtifact({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await liveArtifactOfPage(context, c)
  await requireDelete(context, principal, [artifact])
  requireWord([artifact], await readForm(context, c))
  await removeArtifacts(context, [artifact], authorOf(context, principal, 'page'))
  const run = runPagePath(artifact.project, artifact.runNumber)
  const undo = context.config.undoMs > 0 ? String(artifact.id) : ''
  return c.redirect(withQuery(run, { deleted: undo }), 303)
}

export async function undoDelete({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  requireWriteProject(principal, artifact.project)
  const author = authorOf(context, principal, 'page')
  await context.metadata.restoreArtifact(artifact.id, author.at, author)
  return c.redirect(artifactPath(artifact), 303)
}

/** The live artifact in the address, which the visitor may change, and the form that changes it.
 *  Errors: those of `liveArtifactOfPage`, forbidden, too_large. */
async function changeOf(
  context: AppContext,
  c: AppRequest,
): Promise<{ artifact: Artifact; form: URLSearchParams; author: Author }> {
  const { principal, artifact } = await liveArtifactOfPage(context, c)
  requireWriteProject(principal, artifact.project)
  const form = await readForm(context, c)
  return { artifact, form, author: authorOf(context, principal, 'page') }
}

export async function keepArtifact({ context }: Web, c: AppRequest): Promise<Response> {
  const { artifact, form, author } = await changeOf(context, c)
  const change = { pinned: form.get('pinned') === '1' }
  await context.metadata.setRetention(artifact.id, change, author)
  return c.redirect(artifactPath(artifact), 303)
}

export async function dismissSecrets({ context }: Web, c: AppRequest): Promise<Response> {
  const { artifact, form, author } = await changeOf(context, c)
  const digest = digestField(form.get('digest') ?? '', 'digest')
  const change = { digest, dismissed: form.get('dismissed') === '1' }
  await context.metadata.dismissSecrets(artifact.id, change, author)
  return c.redirect(change.dismissed ? artifactPath(artifact) : tabPath(artifact, 'details'), 303)
}

export async function changeExpiry({ context }: Web, c: AppRequest): Promise<Response> {
  const { artifact, form, author } = await changeOf(context, c)
  const policy = await retentionOf(context, artifact.project)
  const from = context.clock.retentionFrom()
  const wantedAt = from + daysOf(form.get('days')) * dayMs
  const expiresAt = changedExpiresAt(wantedAt, policy, { now: author.at, from })
  await context.metadata.setRetention(artifact.id, { expiresAt }, author)
  return c.redirect(tabPath(artifact, 'details'), 303)
}
