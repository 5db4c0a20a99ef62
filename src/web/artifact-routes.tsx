/** Pages and forms of one artifact. */
import { Hono } from 'hono'
import { runPagePath } from '../api/paths.ts'
import { mayReadProject } from '../auth/principal.ts'
import { compareEntries } from '../browse/compare.ts'
import { listDirectory, noSuchPath } from '../browse/directory.ts'
import { assertLive } from '../browse/find-artifact.ts'
import { storeError } from '../core/errors.ts'
import { changedExpiresAt } from '../core/retention.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { dayMs } from '../core/units.ts'
import { requireDelete, requireWriteProject } from '../http/access.ts'
import type { AppEnv, AppRequest } from '../http/context.ts'
import { removeArtifact } from '../http/deletion.ts'
import { restOfPath } from '../http/input.ts'
import { retentionOf } from '../http/retention.ts'
import { measureDeletion } from '../lifecycle/deletion.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { ArtifactFrame, type ArtifactHead, DetailsTab } from './artifact-page.tsx'
import {
  CompareChooser,
  type DifferenceKind,
  differenceKinds,
  Differences,
} from './compare-page.tsx'
import { DeletePage, deletionOf } from './delete-page.tsx'
import { FilePage } from './file-page.tsx'
import { FilesTab } from './files-tab.tsx'
import { Size, Time } from './format.tsx'
import type { Html } from './html.ts'
import {
  artifactOfPage,
  crumbsOf,
  headOfPage,
  previousOf,
  readForm,
  readingForPage,
} from './page-access.ts'
import { sendPage, type Web } from './page.tsx'
import { artifactPath, blobPath, comparePath, tabPath, treePath, withQuery } from './paths.ts'
import { preview } from './preview/preview.tsx'
import { freedSentence } from './sentences.ts'

const route = '/:owner/:repo/actions/runs/:run{[0-9]+}/artifacts/:id{[0-9]+}'
/** Entries of one directory that a page shows: about 20 KB of it, compressed. */
const directoryRowsMax = 500
const holdersShown = 12

export function createArtifactRoutes(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get(route, async (c) => await filesPage(web, c, legacyDirectory(c)))
  app.get(`${route}/tree/*`, async (c) => await filesPage(web, c, pathAfter(c, 'tree')))
  app.get(`${route}/blob/*`, async (c) => await filePage(web, c, pathAfter(c, 'blob')))
  app.get(`${route}/go`, async (c) => await goToFile(web, c))
  app.get(`${route}/changes`, async (c) => await changesPage(web, c))
  app.get(`${route}/used`, async (c) => await usedPage(web, c))
  app.get(`${route}/details`, async (c) => {
    const head = await headOfPage(web.context, c)
    return await sendTab(web, c, head, <DetailsTab head={head} />)
  })
  app.get(`${route}/delete`, async (c) => await deletePage(web, c))
  app.post(`${route}/delete`, async (c) => await deleteArtifact(web, c))
  app.post(`${route}/undo`, async (c) => await undoDelete(web, c))
  app.post(`${route}/keep`, async (c) => await keepArtifact(web, c))
  app.post(`${route}/expire`, async (c) => await changeExpiry(web, c))
  return app
}

/** `?path=` was the address of directories. */
function legacyDirectory(c: AppRequest): string {
  return (c.req.query('path') ?? '').replace(/\/+$/, '')
}

function pathAfter(c: AppRequest, word: 'tree' | 'blob'): string {
  const { owner, repo, run, id } = c.req.param() as Record<string, string>
  const prefix = `/${owner}/${repo}/actions/runs/${run}/artifacts/${id}/${word}/`
  return restOfPath(c, prefix).replace(/\/+$/, '')
}

async function sendTab(
  web: Web,
  c: AppRequest,
  { artifact }: ArtifactHead,
  body: Html,
): Promise<Response> {
  return await sendPage(web, c, {
    title: `${artifact.name} · Run ${artifact.runNumber} · ${artifact.project}`,
    crumbs: crumbsOf({ project: artifact.project, artifact }),
    body,
  })
}

async function filesPage(web: Web, c: AppRequest, directory: string): Promise<Response> {
  const head = await headOfPage(web.context, c)
  const listing = await listDirectory(web.context.metadata, head.artifact.id, {
    directory,
    limit: directoryRowsMax,
    from: c.req.query('from') ?? null,
  })
  if (listing === undefined) throw noSuchPath(head.artifact, directory)
  return await sendTab(
    web,
    c,
    head,
    <FilesTab head={head} directory={directory} listing={listing} />,
  )
}

async function filePage(web: Web, c: AppRequest, path: string): Promise<Response> {
  const { context } = web
  const head = await headOfPage(context, c)
  const { artifact, now } = head
  const found = await context.metadata.findEntry(artifact.id, path)
  if (found?.entry.kind === 'directory') return c.redirect(treePath(artifact, path), 302)
  if (found?.entry.kind !== 'file') throw noSuchPath(artifact, path)
  const file = found.entry
  const asText = c.req.query('as') === 'text'
  const bytes = c.req.query('bytes')
  const shown = head.damagedFiles.includes(path)
    ? damagedFile()
    : await readingForPage(context, [artifact], () =>
        preview({
          context,
          artifact,
          file,
          asText,
          wantedBytes: bytes === undefined ? 0 : parsePositiveInteger(bytes, 'bytes'),
        }),
      )
  const principal = c.get('principal')
  const isWider = principal !== undefined && mayReadProject(principal, artifact.project)
  const holders = isWider
    ? await context.metadata.listHolders(file.digest, {
        projectId: artifact.projectId,
        now,
        limit: holdersShown,
      })
    : []
  const view = { head, file, modifiedAt: found.modifiedAt, asText, shown, holders }
  return await sendPage(web, c, {
    title: `${path} · ${artifact.name}`,
    crumbs: crumbsOf({ project: artifact.project, artifact }),
    body: <FilePage {...view} />,
  })
}

function damagedFile(): Html {
  return (
    <p class="note" role="alert">
      The stored bytes of this file are damaged. The next upload of the same content heals it.
    </p>
  )
}

/** An exact path opens; anything else goes back to the list with what was typed. */
async function goToFile(web: Web, c: AppRequest): Promise<Response> {
  const { artifact } = await headOfPage(web.context, c)
  const path = (c.req.query('path') ?? '').replace(/^\/+|\/+$/g, '')
  if (path === '') return c.redirect(artifactPath(artifact), 302)
  const found = await web.context.metadata.findEntry(artifact.id, path)
  return c.redirect(
    found?.entry.kind === 'file' ? blobPath(artifact, path) : treePath(artifact, path),
    302,
  )
}

async function changesPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const head = await headOfPage(context, c)
  const { artifact, now } = head
  const base = await previousOf(context, artifact, now)
  const others = await context.metadata.listArtifacts(
    { projectId: artifact.projectId, name: artifact.name },
    { limit: 50, offset: 0, sort: 'newest', now },
  )
  const chooser = (
    <CompareChooser
      artifact={artifact}
      others={others.artifacts.filter(({ id }) => id !== artifact.id)}
    />
  )
  const body = (
    <ArtifactFrame head={head} tab="changes">
      {base === undefined ? (
        <p>
          Nothing to compare with: this is the first live artifact called {artifact.name}
          {artifact.branch === null ? '' : ` on ${artifact.branch}`}.
        </p>
      ) : (
        <>
          <p>
            Since <a href={artifactPath(base)}>run {base.runNumber}</a>,{' '}
            <Time at={base.createdAt} now={now} />.{' '}
            <a href={comparePath(artifact.project, base.id, artifact.id)}>Full comparison</a>
          </p>
          <Differences
            base={base}
            head={artifact}
            comparison={await compareEntries(
              context.metadata,
              base.id,
              artifact.id,
              c.req.raw.signal,
            )}
            address={tabPath(artifact, 'changes')}
            kind={kindOfQuery(c)}
            pageNumber={pageOfQuery(c)}
            now={now}
          />
        </>
      )}
      {chooser}
    </ArtifactFrame>
  )
  return await sendTab(web, c, head, body)
}

export function kindOfQuery(c: AppRequest): DifferenceKind | undefined {
  return differenceKinds.find((kind) => kind === c.req.query('kind'))
}

/** Errors: invalid_request. */
export function pageOfQuery(c: AppRequest): number {
  return parsePositiveInteger(c.req.query('page') ?? '1', 'page')
}

async function usedPage(web: Web, c: AppRequest): Promise<Response> {
  const { metadata } = web.context
  const head = await headOfPage(web.context, c)
  const { artifact, now } = head
  const exclusiveBytes = await measureDeletion(metadata, [artifact.id], now)
  const principal = c.get('principal')
  const isWider = principal !== undefined && mayReadProject(principal, artifact.project)
  const page = { limit: 50, offset: 0, sort: 'newest', now } as const
  const equal = isWider
    ? await metadata.listArtifacts({ manifestId: artifact.manifestId }, page)
    : { artifacts: [artifact], total: 1 }
  const body = (
    <ArtifactFrame head={head} tab="used">
      <p class="lead">Deleting it: {freedSentence(exclusiveBytes, artifact.logicalBytes)}</p>
      <SameTree artifact={artifact} others={equal.artifacts} total={equal.total - 1} now={now} />
    </ArtifactFrame>
  )
  return await sendTab(web, c, head, body)
}

function SameTree({
  artifact,
  others,
  total,
  now,
}: {
  artifact: Artifact
  others: Artifact[]
  total: number
  now: number
}) {
  if (total === 0) {
    return <p class="quiet">No other artifact of this project has exactly these files.</p>
  }
  return (
    <>
      <h2>Identical to</h2>
      <ul>
        {others
          .filter(({ id }) => id !== artifact.id)
          .map((other) => (
            <li>
              <a href={artifactPath(other)}>
                run {other.runNumber}, {other.name}
              </a>
              , <Size bytes={other.logicalBytes} />, <Time at={other.createdAt} now={now} />
            </li>
          ))}
        {total > others.length && <li>and {total - others.length} more</li>}
      </ul>
    </>
  )
}

async function deletePage(web: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(web.context, c)
  const now = web.context.now()
  assertLive(artifact, now)
  requireDelete(principal, artifact)
  const freedBytes = await measureDeletion(web.context.metadata, [artifact.id], now)
  return await sendPage(web, c, {
    title: `Delete ${artifact.name}`,
    crumbs: crumbsOf({ project: artifact.project, artifact }),
    body: <DeletePage {...deletionOf(artifact, freedBytes, web.context.config.undoMs)} />,
  })
}

/** A session's POST has passed the check of its origin in `requirePrincipal`. */
async function deleteArtifact({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  assertLive(artifact, context.now())
  requireDelete(principal, artifact)
  const form = await readForm(context, c)
  if (artifact.pinned && form.get('word') !== 'delete') {
    throw storeError('invalid_request', 'somebody keeps this artifact: type "delete"', {
      field: 'word',
    })
  }
  await removeArtifact(context, artifact)
  const run = runPagePath(artifact.project, artifact.runNumber)
  const undo = context.config.undoMs > 0 ? String(artifact.id) : ''
  return c.redirect(withQuery(run, { deleted: undo }), 303)
}

async function undoDelete({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  requireWriteProject(principal, artifact.project)
  await context.metadata.restoreArtifact(artifact.id, context.now())
  return c.redirect(artifactPath(artifact), 303)
}

async function keepArtifact({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  assertLive(artifact, context.now())
  requireWriteProject(principal, artifact.project)
  const form = await readForm(context, c)
  await context.metadata.setRetention(artifact.id, { pinned: form.get('pinned') === '1' })
  return c.redirect(artifactPath(artifact), 303)
}

async function changeExpiry({ context }: Web, c: AppRequest): Promise<Response> {
  const { principal, artifact } = await artifactOfPage(context, c)
  const now = context.now()
  assertLive(artifact, now)
  requireWriteProject(principal, artifact.project)
  const days = daysOf((await readForm(context, c)).get('days'))
  const policy = await retentionOf(context, artifact.project)
  const expiresAt = changedExpiresAt(now + days * dayMs, policy, now)
  await context.metadata.setRetention(artifact.id, { expiresAt })
  return c.redirect(tabPath(artifact, 'details'), 303)
}

/** Errors: invalid_request. */
export function daysOf(text: string | null): number {
  if (text === null || !/^\d{1,5}$/.test(text)) {
    throw storeError('invalid_request', 'days must be a whole number', { field: 'days' })
  }
  return Number(text)
}
