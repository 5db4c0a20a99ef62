/** Comparing two artifacts, and one file of them. */
import { Hono } from 'hono'
import { mayReadRun } from '../auth/principal.ts'
import { compareEntries } from '../browse/compare.ts'
import { noSuchPath } from '../browse/no-such-path.ts'
import { artifactNotFound, assertLive } from '../browse/find-artifact.ts'
import { storeError } from '../core/errors.ts'
import { parseReference } from '../core/reference.ts'
import { parsePositiveInteger } from '../core/run.ts'
import { readReference } from '../http/access.ts'
import { requirePrincipal } from '../http/authenticate.ts'
import type { AppContext, AppEnv, AppRequest } from '../http/context.ts'
import { projectParameter } from '../http/input.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { kindOfQuery } from './artifact-routes.tsx'
import { pageOfQuery } from './input.ts'
import { CompareFilePage, type FileComparison } from './compare-file-page.tsx'
import { ComparePage } from './compare-page.tsx'
import { crumbsOf, readingForPage } from './page-access.ts'
import { sendPage, type Web } from './page.tsx'
import { comparePath } from './paths.ts'
import { looksLikeText } from './preview/hex.ts'
import { previewKindOf } from './preview/kind.ts'
import { readBytes, type StoredFile } from './preview/request.ts'
import { diffLines, groupChanges } from './text-diff.ts'

const diffBytesMax = 512 * 1024
const contextLines = 3

export function createComparePages(web: Web): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/:owner/:repo/compare', async (c) => {
    const project = projectParameter(c)
    await requirePrincipal(web.context, c)
    const [base, head] = ['base', 'head'].map((name) =>
      parsePositiveInteger(c.req.query(name) ?? '', name),
    )
    return c.redirect(comparePath(project, base!, head!), 302)
  })
  app.get('/:owner/:repo/compare/:pair', async (c) => {
    const { base, head } = await pairOfPage(web.context, c)
    const path = c.req.query('file')
    return path === undefined
      ? await comparePage(web, c, { base, head })
      : await filePage(web, c, { base, head, path })
  })
  return app
}

/** The two of `A...B`, each an id or a reference. Errors: invalid_request, artifact_not_found and those of dead ones. */
async function pairOfPage(
  context: AppContext,
  c: AppRequest,
): Promise<{ base: Artifact; head: Artifact }> {
  const principal = await requirePrincipal(context, c)
  const project = projectParameter(c)
  const [base, head, ...rest] = (c.req.param('pair') ?? '').split('...')
  if (base === undefined || head === undefined || rest.length > 0) {
    throw storeError('invalid_request', 'compare A...B, each the id of an artifact', {
      field: 'pair',
    })
  }
  const find = async (text: string): Promise<Artifact> => {
    const reference = parseReference(/^\d+$/.test(text) ? `id:${text}` : text)
    const artifact = await readReference(context, principal, reference, project)
    if (!mayReadRun(principal, artifact)) throw artifactNotFound(text)
    assertLive(artifact, context.now())
    return artifact
  }
  return { base: await find(base), head: await find(head) }
}

async function comparePage(
  web: Web,
  c: AppRequest,
  { base, head }: { base: Artifact; head: Artifact },
): Promise<Response> {
  const { context } = web
  const comparison = await compareEntries(context.metadata, base.id, head.id, c.req.raw.signal)
  const view = {
    base,
    head,
    comparison,
    address: comparePath(head.project, base.id, head.id),
    kind: kindOfQuery(c),
    pageNumber: pageOfQuery(c),
    now: context.now(),
  }
  return await sendPage(web, c, {
    title: `Compare ${base.name} of runs ${base.runNumber} and ${head.runNumber}`,
    crumbs: crumbsOf({ project: head.project, artifact: head }),
    body: <ComparePage {...view} />,
  })
}

async function filePage(
  web: Web,
  c: AppRequest,
  { base, head, path }: { base: Artifact; head: Artifact; path: string },
): Promise<Response> {
  const { context } = web
  const [before, after] = await Promise.all(
    [base, head].map(async (artifact): Promise<StoredFile> => {
      const found = await context.metadata.findEntry(artifact.id, path)
      if (found?.entry.kind !== 'file') throw noSuchPath(artifact, path)
      return found.entry
    }),
  )
  const compared = await readingForPage(context, [base, head], () =>
    compareFiles(context, path, [
      { artifact: base, file: before! },
      { artifact: head, file: after! },
    ]),
  )
  const sizes = { before: before!.sizeBytes, after: after!.sizeBytes }
  return await sendPage(web, c, {
    title: `${path} · Compare`,
    crumbs: crumbsOf({ project: head.project, artifact: head }),
    body: <CompareFilePage base={base} head={head} path={path} sizes={sizes} compared={compared} />,
  })
}

type Side = { artifact: Artifact; file: StoredFile }

async function compareFiles(
  context: AppContext,
  path: string,
  sides: [Side, Side],
): Promise<FileComparison> {
  if (previewKindOf(path) === 'image') return { kind: 'images' }
  if (sides.some(({ file }) => file.sizeBytes > diffBytesMax)) {
    return { kind: 'none', reason: 'The file is too large to be compared line by line.' }
  }
  const [before, after] = await Promise.all(
    sides.map(async (side) => await readBytes({ context, ...side }, 0, side.file.sizeBytes)),
  )
  if (!looksLikeText(before!) || !looksLikeText(after!)) {
    return { kind: 'none', reason: 'The file is not text.' }
  }
  const lines = diffLines(linesOf(before!), linesOf(after!))
  return lines === undefined
    ? { kind: 'none', reason: 'The two differ in more lines than are worth showing.' }
    : { kind: 'text', groups: groupChanges(lines, contextLines) }
}

function linesOf(bytes: Buffer): string[] {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}
