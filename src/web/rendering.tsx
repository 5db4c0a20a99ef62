/** What is rendered in a thread (`renderer.ts`): everything made of the contents of files, and job
 *  summaries. Anybody can upload a file, and parsing or rendering it can take a second. */
import { html } from 'hono/html'
import { type DiffTask, type RenderedDiff, renderDiff } from './compare/file-diff.tsx'
import type { Html } from './parts/html.ts'
import { type ArchiveListing, listTar, unpack, type UnpackTask } from './preview/archive.ts'
import { type Preview, type ShownFile, textBytesMax, withoutSource } from './preview/shown-file.ts'
import type { StructuredKind } from './preview/kind.ts'
import { structuredPreview } from './preview/structured-preview.tsx'
import { archivePreview } from './preview/table-preview.tsx'
import { textPreview } from './preview/text-preview.tsx'
import { summarize, type ReportTask } from './reports/report-summary.ts'
import { type FindMemberTask, findZipMember } from './preview/zip-listing.ts'
import { type RenderedSummary, renderSummaries, type SummaryTask } from './run/summary-markup.tsx'

export type PreviewTask =
  | { kind: 'members'; shown: ShownFile; listing: ArchiveListing }
  /** `bytes`: the beginning of the file, at most `textBytesMax`, or what the kind needs. */
  | { kind: 'text' | 'tar' | StructuredKind; shown: ShownFile; bytes: Uint8Array }

export type RenderTask =
  | PreviewTask
  | DiffTask
  | SummaryTask
  | ReportTask
  | FindMemberTask
  | UnpackTask

interface Results {
  diff: RenderedDiff
  summaries: RenderedSummary[]
  report: ReturnType<typeof summarize>
  'find-member': ReturnType<typeof findZipMember>
  unpack: Awaited<ReturnType<typeof unpack>>
}

/** The result of a task. */
export type Rendered<Task extends RenderTask> = Task extends { kind: keyof Results }
  ? Results[Task['kind']]
  : Omit<Preview, 'shown'> & { markup: string }

export async function renderTask(task: RenderTask): Promise<Rendered<RenderTask>> {
  if (task.kind === 'diff') return await renderDiff(task)
  if (task.kind === 'summaries') return await renderSummaries(task)
  if (task.kind === 'report') return summarize(task)
  if (task.kind === 'find-member') return findZipMember(task)
  if (task.kind === 'unpack') return await unpack(task)
  const { shown, hasSource } = await previewOf(task)
  return { markup: String(await html`${shown}`), hasSource }
}

async function previewOf(task: PreviewTask): Promise<Preview> {
  if (task.kind === 'members') return withoutSource(await archivePreview(task.shown, task.listing))
  if (task.kind === 'tar') return withoutSource(await tarPreview(task.shown, task.bytes))
  if (task.kind === 'text') return withoutSource(await textPreview(task.shown, task.bytes))
  return await structuredPreview(task.shown, task.kind, task.bytes)
}

/** A file that is no tar despite its name is shown as text. */
async function tarPreview(shown: ShownFile, bytes: Uint8Array): Promise<Html> {
  const listing = await listTar(bytes, shown.file.sizeBytes)
  if (listing === undefined) return await textPreview(shown, bytes.subarray(0, textBytesMax))
  return await archivePreview(shown, listing)
}
