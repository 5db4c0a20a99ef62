/** Pages that compare two artifacts, or one file in both. */
import { raw } from 'hono/html'
import { readFileEntry } from '../../browse/entries.ts'
import { invalidRequest } from '../../core/errors.ts'
import { parseReference } from '../../core/reference.ts'
import { isSameProject, parsePositiveInteger } from '../../core/run/run.ts'
import { readLive } from '../../http/access/access.ts'
import { requireReader } from '../../http/access/authenticate.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { projectParameter } from '../../http/input.ts'
import type { Artifact, StoredFile } from '../../metadata/metadata.ts'
import { findComparables } from './compare-chooser.tsx'
import { slowDifferences } from './comparison.tsx'
import { CompareFilePage, type FileComparison } from './compare-file-page.tsx'
import { ComparePage } from './compare-page.tsx'
import { artifactCrumbs, readingForPage, seesProject } from '../page-access.ts'
import { sendPage, type Web } from '../page.tsx'
import { sendSlowPage } from '../slow-page.tsx'
import { comparePath, withQuery } from '../paths.ts'
import { previewKindOf } from '../preview/kind.ts'
import { readBytes } from '../preview/request.ts'

const diffBytesMax = 512 * 1024

/** Redirects to the comparison of the artifacts that were chosen in a form. */
export async function chosenPair({ context }: Web, c: AppRequest): Promise<Response> {
  const project = projectParameter(c)
  await requireReader(context, c)
  const [base, head] = ['base', 'head'].map((name) =>
    parsePositiveInteger(c.req.query(name) ?? '', name),
  )
  return c.redirect(comparePath(project, base!, head!), 302)
}

export async function pairPage(web: Web, c: AppRequest): Promise<Response> {
  const { base, head } = await pairOfPage(web.context, c)
  if (!isSameProject(head.project, projectParameter(c))) {
    const there = comparePath(head.project, base.id, head.id)
    return c.redirect(there + new URL(c.req.url).search, 302)
  }
  const path = c.req.query('file')
  return path === undefined
    ? await comparePage(web, c, { base, head })
    : await filePage(web, c, { base, head, path })
}

/** Finds the two artifacts of `A...B`, each an id or a reference. Errors: invalid_request,
 *  artifact_not_found, artifact_expired, artifact_deleted. */
async function pairOfPage(
  context: AppContext,
  c: AppRequest,
): Promise<{ base: Artifact; head: Artifact }> {
  const principal = await requireReader(context, c)
  const project = projectParameter(c)
  const [base, head, ...rest] = (c.req.param('pair') ?? '').split('...')
  if (base === undefined || head === undefined || rest.length > 0) {
    throw invalidRequest('pair', 'compare takes A...B, each an artifact id or reference')
  }
  const find = async (text: string): Promise<Artifact> => {
    const reference = parseReference(/^\d+$/.test(text) ? `id:${text}` : text)
    return await readLive(context, principal, reference, project)
  }
  return { base: await find(base), head: await find(head) }
}

async function comparePage(
  web: Web,
  c: AppRequest,
  { base, head }: { base: Artifact; head: Artifact },
): Promise<Response> {
  const { context } = web
  const now = context.now()
  const address = comparePath(head.project, base.id, head.id)
  const comparables = seesProject(c, head) ? await findComparables(context, head) : undefined
  return await sendSlowPage(web, c, {
    title: `Compare ${base.name} of runs ${base.runNumber} and ${head.runNumber}`,
    crumbs: artifactCrumbs(head),
    frame: (part) => <ComparePage {...{ base, head, comparables, now }}>{part}</ComparePage>,
    ...slowDifferences(context, c, { base, head, address, now }),
  })
}

async function filePage(
  web: Web,
  c: AppRequest,
  { base, head, path }: { base: Artifact; head: Artifact; path: string },
): Promise<Response> {
  const { context } = web
  const [before, after] = await Promise.all([
    readFileEntry(context.metadata, base, path),
    readFileEntry(context.metadata, head, path),
  ])
  const sides: [Side, Side] = [
    { artifact: base, file: before },
    { artifact: head, file: after },
  ]
  const all = c.req.query('all') === '1'
  const compared = await readingForPage(context, [base, head], () =>
    compareFiles(web, path, { sides, all, signal: c.req.raw.signal }),
  )
  const sizes = { before: before.sizeBytes, after: after.sizeBytes }
  return await sendPage(web, c, {
    title: `${path} · Compare`,
    ...(compared.kind === 'images' && { scripts: ['compare-page'] }),
    crumbs: artifactCrumbs(head),
    body: <CompareFilePage base={base} head={head} path={path} sizes={sizes} compared={compared} />,
  })
}

type Side = { artifact: Artifact; file: StoredFile }

async function compareFiles(
  web: Web,
  path: string,
  { sides, all, signal }: { sides: [Side, Side]; all: boolean; signal: AbortSignal },
): Promise<FileComparison> {
  if (previewKindOf(path) === 'image') return { kind: 'images' }
  if (sides.some(({ file }) => file.sizeBytes > diffBytesMax)) {
    return { kind: 'none', reason: 'This file is too large to compare line by line.' }
  }
  const rendered = await web.renderer.render(async () => {
    const [before, after] = await Promise.all(
      sides.map(async (side) => await readBytes(web.context, side, 0, side.file.sizeBytes)),
    )
    return { kind: 'diff', before: before!, after: after!, all } as const
  }, signal)
  if (rendered.kind === 'none') return rendered
  const [base, head] = sides
  const address = comparePath(head.artifact.project, base.artifact.id, head.artifact.id)
  return {
    kind: 'text',
    groups: raw(rendered.groups),
    all: rendered.isAll ? null : withQuery(address, { file: path, all: '1' }),
  }
}
