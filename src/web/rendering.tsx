/** What is rendered in a thread (`renderer.ts`): everything made of the contents of files, and job
 *  summaries. Anybody can upload a file, and parsing or rendering it can take a second. */
import { html } from 'hono/html'
import { type DiffTask, type RenderedDiff, renderDiff } from './compare/file-diff.tsx'
import type { Html } from './parts/html.ts'
import type { ShownFile } from './preview/shown-file.ts'
import { structuredPreview, type StructuredKind } from './preview/structured-preview.tsx'
import { zipPreview } from './preview/table-preview.tsx'
import { textPreview } from './preview/text-preview.tsx'
import type { ZipListing } from './preview/zip-listing.ts'
import { summarize, type ReportTask } from './reports/report-summary.ts'
import { type RenderedSummary, renderSummaries, type SummaryTask } from './run/summary-markup.tsx'

export type PreviewTask =
  | { kind: 'members'; shown: ShownFile; listing: ZipListing }
  /** `bytes`: the beginning of the file, at most `textBytesMax`, or `reportBytesMax`. */
  | { kind: 'text' | StructuredKind; shown: ShownFile; bytes: Uint8Array }

export type RenderTask = PreviewTask | DiffTask | SummaryTask | ReportTask

/** The result of a task; for a preview its markup. */
export type Rendered<Task extends RenderTask> = Task extends DiffTask
  ? RenderedDiff
  : Task extends SummaryTask
    ? RenderedSummary[]
    : Task extends ReportTask
      ? ReturnType<typeof summarize>
      : string

export async function renderTask(task: RenderTask): Promise<Rendered<RenderTask>> {
  if (task.kind === 'diff') return await renderDiff(task)
  if (task.kind === 'summaries') return await renderSummaries(task)
  if (task.kind === 'report') return summarize(task)
  return String(await html`${await previewOf(task)}`)
}

async function previewOf(task: PreviewTask): Promise<Html> {
  if (task.kind === 'members') return await zipPreview(task.shown, task.listing)
  if (task.kind === 'text') return await textPreview(task.shown, task.bytes)
  return await structuredPreview(task.shown, task.kind, task.bytes)
}
