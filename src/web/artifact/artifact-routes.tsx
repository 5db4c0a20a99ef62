/** Pages of one artifact. */
import { counted } from '../../core/units.ts'
import { signerOf } from '../../auth/principal.ts'
import { noSuchPath } from '../../browse/entries.ts'
import { findThrough } from '../../browse/links.ts'
import { previousOf } from '../../browse/previous.ts'
import { withoutEndSlashes } from '../../core/manifest/entry.ts'
import { latestBranch } from '../../core/policy/keep-latest.ts'
import { isDamaged } from '../../egress/damage.ts'
import { requireReadProject } from '../../http/access/access.ts'
import type { AppRequest } from '../../http/context.ts'
import { explainDeletion } from '../../lifecycle/collect/deletion.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { ArtifactLink, OnBranch } from '../parts/artifact-name.tsx'
import { ArtifactFrame, type ArtifactHead } from './artifact-page.tsx'
import { DetailsTab } from './details-tab.tsx'
import { CompareChooser, findComparables } from '../compare/compare-chooser.tsx'
import { slowDifferences } from '../compare/comparison.tsx'
import { FilePage, LinkPage, type Symlink } from './file-page.tsx'
import { memberPage } from './member-routes.tsx'
import { EntryRow, FilesTab } from './files-tab.tsx'
import { renderFitting } from '../fitting.ts'
import { numberOfQuery } from '../input.ts'
import { AndMore, Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import {
  artifactCrumbs,
  entryPagePath,
  entryPathOf,
  headOfPage,
  liveArtifactOfPage,
  readingForPage,
  seesProject,
} from '../page-access.ts'
import { type PageContent, sendPage, type Web } from '../page.tsx'
import { sendSlowPage } from '../slow-page.tsx'
import { artifactPath, blobPath, comparePath, tabPath, treePath, trendsPath } from '../paths.ts'
import { sendPaths } from './path-list.ts'
import { preview } from '../preview/preview.tsx'
import { withoutSource } from '../preview/shown-file.ts'
import { freedPredicate } from '../../core/policy/explanation.ts'

/** Most entries of one directory that a page shows; fewer fit where names are long. */
const directoryRowsMax = 500
const holdersShown = 12

export async function pathsOfArtifact({ context }: Web, c: AppRequest): Promise<Response> {
  const { artifact } = await liveArtifactOfPage(context, c)
  return sendPaths(context, c, artifact)
}

export async function detailsPage(web: Web, c: AppRequest): Promise<Response> {
  const head = await headOfPage(web.context, c)
  return await sendPage(web, c, { ...tabContent(head), body: <DetailsTab head={head} /> })
}

export function tabContent({ artifact }: ArtifactHead): Pick<PageContent, 'title' | 'crumbs'> {
  return {
    title: `${artifact.name} · Run ${artifact.runNumber} · ${artifact.project}`,
    crumbs: artifactCrumbs(artifact),
  }
}

/** A directory; the root if the address names none. */
export async function filesPage(web: Web, c: AppRequest): Promise<Response> {
  const directory = entryPathOf(c)
  const head = await headOfPage(web.context, c)
  const { artifact, now } = head
  const found = await web.context.metadata.listDirectory(artifact.id, {
    directory,
    limit: directoryRowsMax,
    from: c.req.query('from') ?? null,
  })
  if (found === undefined) throw noSuchPath(artifact, directory)
  const { pieces } = await renderFitting(found.children, (child) => (
    <EntryRow artifact={artifact} child={child} now={now} />
  ))
  const [folders, others] = [true, false].map((isFolder) =>
    pieces.filter((_, at) => (found.children[at]?.entry.kind === 'directory') === isFolder),
  )
  const next = found.children[pieces.length]?.entry.path ?? found.next
  const view = { head, directory, rows: [...folders!, ...others!], next }
  return await sendPage(web, c, { ...tabContent(head), body: <FilesTab {...view} /> })
}

export async function filePage(web: Web, c: AppRequest): Promise<Response> {
  const path = entryPathOf(c)
  const { context } = web
  const head = await headOfPage(context, c)
  const { artifact, now } = head
  const found = await context.metadata.findEntry(artifact.id, path)
  if (found?.entry.kind === 'directory') return c.redirect(treePath(artifact, path), 302)
  if (found?.entry.kind === 'symlink') return await linkPage(web, c, head, found.entry)
  if (found?.entry.kind !== 'file') return await memberPage(web, c, head, path)
  const file = found.entry
  const asText = c.req.query('as') === 'text'
  // Not by `damagedFiles`, which is cut off, and has members of a zip whose files can be read.
  const isUnreadable = artifact.state === 'damaged' && (await isDamaged(context, file))
  const shown = isUnreadable
    ? withoutSource(damagedFile())
    : await readingForPage(context, [artifact], () =>
        preview({
          web,
          artifact,
          file,
          asText,
          isConfirmed: c.req.query('confirmed') === '1',
          signer: signerOf(c.get('principal')!, artifact.project),
          wantedBytes: numberOfQuery(c, 'bytes') ?? 0,
          signal: c.req.raw.signal,
        }),
      )
  const seesHistory = seesProject(c, artifact)
  const holders = seesHistory
    ? await context.metadata.listHolders(file.digest, {
        projectIds: [artifact.projectId],
        now,
        limit: holdersShown,
      })
    : []
  const { modifiedAt } = found
  const view = {
    head,
    file,
    isUnreadable,
    modifiedAt,
    asText,
    preview: shown,
    holders,
    seesHistory,
  }
  return await sendPage(web, c, {
    title: `${path} · ${artifact.name}`,
    crumbs: artifactCrumbs(artifact),
    body: <FilePage {...view} />,
  })
}

/** What a symlink leads to, or if that is nothing in the artifact, where it points. */
async function linkPage(
  web: Web,
  c: AppRequest,
  { artifact }: ArtifactHead,
  link: Symlink,
): Promise<Response> {
  const meant = await findThrough(web.context.metadata, artifact.id, link.path)
  if (meant?.kind === 'file') return c.redirect(blobPath(artifact, meant.path), 302)
  if (meant?.kind === 'directory') return c.redirect(treePath(artifact, meant.path), 302)
  return await sendPage(web, c, {
    title: `${link.path} · ${artifact.name}`,
    crumbs: artifactCrumbs(artifact),
    body: <LinkPage artifact={artifact} link={link} />,
  })
}

function damagedFile(): Html {
  return (
    <p class="note" role="alert">
      The stored bytes of this file are damaged. The next upload of the same content heals it.
    </p>
  )
}

/** Redirects to what is at the path that was typed. */
export async function goToFile(web: Web, c: AppRequest): Promise<Response> {
  const { artifact } = await liveArtifactOfPage(web.context, c)
  const path = withoutEndSlashes((c.req.query('path') ?? '').replace(/^\/+/, ''))
  return c.redirect(await entryPagePath(web.context, artifact, path), 302)
}

export async function changesPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const head = await headOfPage(context, c)
  const { artifact, now } = head
  requireReadProject(c.get('principal')!, artifact.project)
  const base = await previousOf(context.metadata, artifact, now)
  const branch = latestBranch(artifact)
  const comparables = await findComparables(context, artifact)
  if (base === undefined) {
    const body = (
      <ArtifactFrame head={head} tab="changes">
        <p>
          Nothing to compare with: this is the first live artifact named <bdi>{artifact.name}</bdi>
          <OnBranch artifact={artifact} />.
        </p>
        <CompareChooser artifact={artifact} comparables={comparables} />
      </ArtifactFrame>
    )
    return await sendPage(web, c, { ...tabContent(head), body })
  }
  const address = tabPath(artifact, 'changes')
  return await sendSlowPage(web, c, {
    ...tabContent(head),
    frame: (part) => (
      <ArtifactFrame head={head} tab="changes">
        <p>
          Compared with <a href={artifactPath(base)}>run {base.runNumber}</a>,{' '}
          <Time at={base.createdAt} now={now} />.{' '}
          <a href={comparePath(artifact.project, base.id, artifact.id)}>Full comparison</a>
          {branch !== null && (
            <>
              {' · '}
              <a href={trendsPath(artifact.project, { name: artifact.name, branch })}>Trend</a>
            </>
          )}
        </p>
        <CompareChooser artifact={artifact} base={base} comparables={comparables} />
        {part}
      </ArtifactFrame>
    ),
    ...slowDifferences(context, c, { base, head: artifact, address, now }),
  })
}

export async function usedPage(web: Web, c: AppRequest): Promise<Response> {
  const { metadata } = web.context
  const head = await headOfPage(web.context, c)
  const { artifact, now } = head
  const page = { limit: 50, offset: 0, sort: 'newest', now } as const
  const equal = seesProject(c, artifact)
    ? await metadata.listArtifacts({ manifestId: artifact.manifestId }, page)
    : { artifacts: [artifact], total: 1 }
  const others = equal.artifacts.filter(({ id }) => id !== artifact.id)
  return await sendSlowPage(web, c, {
    ...tabContent(head),
    frame: (part) => (
      <ArtifactFrame head={head} tab="used">
        {part}
        <SameTree others={others} total={equal.total - 1} now={now} />
      </ArtifactFrame>
    ),
    waiting: `Looking for other holders of ${counted(artifact.fileCount, 'file')}…`,
    part: async () => {
      const deletion = await explainDeletion(metadata, [artifact.id], now)
      return <p class="lead">Deleting it {freedPredicate(artifact.logicalBytes, deletion)}</p>
    },
  })
}

function SameTree({ others, total, now }: { others: Artifact[]; total: number; now: number }) {
  if (total === 0) {
    return <p class="quiet">No other artifact of this project has exactly these files.</p>
  }
  return (
    <>
      <h2>Identical to</h2>
      <ul>
        {others.map((other) => (
          <li>
            <ArtifactLink artifact={other} />, <Size bytes={other.logicalBytes} />,{' '}
            <Time at={other.createdAt} now={now} />
          </li>
        ))}
        <AndMore count={total - others.length} />
      </ul>
    </>
  )
}
