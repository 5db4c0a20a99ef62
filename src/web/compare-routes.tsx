/** Comparing two artifacts, and one file of them. */
import { Hono } from 'hono'
import { mayReadRun } from '../auth/principal.ts'
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
import { pageOfQuery } from './input.ts'
import { comparisonOf, kindOfQuery } from './comparison.ts'
import { renderAll, renderFitting } from './fitting.ts'
import { CompareFilePage, type FileComparison, Group } from './compare-file-page.tsx'
import { ComparePage, comparingSentence, Differences } from './compare-page.tsx'
import type { Html } from './html.ts'
import { crumbsOf, readingForPage } from './page-access.ts'
import { sendPage, type Web } from './page.tsx'
import { sendSlowPage } from './slow-page.tsx'
import { comparePath, withQuery } from './paths.ts'
import { looksLikeText } from './preview/hex.ts'
import { previewKindOf } from './preview/kind.ts'
import { readBytes, type StoredFile } from './preview/request.ts'
import { diffLines, type DiffGroup, groupChanges, splitGroups } from './text-diff.ts'

const diffBytesMax = 512 * 1024
const contextLines = 3
/** A page ends between two pieces. */
const linesPerPiece = 10
/** Of one line at first; a piece of such lines fits on a page. */
const lineCharactersMax = 1000

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
  const now = context.now()
  const view = {
    base,
    head,
    address: comparePath(head.project, base.id, head.id),
    kind: kindOfQuery(c),
    pageNumber: pageOfQuery(c),
    now,
  }
  return await sendSlowPage(web, c, {
    title: `Compare ${base.name} of runs ${base.runNumber} and ${head.runNumber}`,
    crumbs: crumbsOf({ project: head.project, artifact: head }),
    frame: (part) => (
      <ComparePage base={base} head={head} now={now}>
        {part}
      </ComparePage>
    ),
    waiting: comparingSentence(base, head),
    part: async () => <Differences {...view} comparison={await comparisonOf(context, c, view)} />,
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
  const sides: [Side, Side] = [
    { artifact: base, file: before! },
    { artifact: head, file: after! },
  ]
  const all = c.req.query('all') === '1'
  const compared = await readingForPage(context, [base, head], () =>
    compareFiles(context, path, { sides, all }),
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
  { sides, all }: { sides: [Side, Side]; all: boolean },
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
  if (lines === undefined)
    return { kind: 'none', reason: 'The two differ in more lines than are worth showing.' }
  const pieces = splitGroups(groupChanges(lines, contextLines), linesPerPiece)
  const render = (group: DiffGroup): Html => <Group group={group} />
  if (all) return { kind: 'text', groups: await renderAll(pieces, render), all: null }
  const first = pieces.map(cutLines)
  const { count, markup } = await renderFitting(first, render)
  const isAll = count === pieces.length && first.every((piece, at) => piece === pieces[at])
  const [base, head] = sides
  return {
    kind: 'text',
    groups: markup,
    all: isAll
      ? null
      : withQuery(comparePath(head.artifact.project, base.artifact.id, head.artifact.id), {
          file: path,
          all: '1',
        }),
  }
}

/** The same group where none of its lines is long. */
function cutLines(group: DiffGroup): DiffGroup {
  if (group.lines.every(({ text }) => text.length <= lineCharactersMax)) return group
  const lines = group.lines.map((line) =>
    line.text.length <= lineCharactersMax
      ? line
      : { ...line, text: `${line.text.slice(0, lineCharactersMax)}…` },
  )
  return { ...group, lines }
}

function linesOf(bytes: Buffer): string[] {
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}
