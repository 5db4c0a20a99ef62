/** Reads the annotations and summaries of a recorded run for people. */
import { limits } from '../core/limits.ts'
import { annotationLevels } from '../core/run/run-record.ts'
import type { Metadata, RecordedAnnotation, RecordedJob } from '../metadata/metadata.ts'

/** Sorts errors first, then warnings, and otherwise keeps the order. */
export function bySeverity(annotations: RecordedAnnotation[]): RecordedAnnotation[] {
  return annotationLevels.flatMap((level) => annotations.filter((each) => each.level === level))
}

/** Formats the place of an annotation as `file:line:column`; '' if it has none. */
export function formatPlace({
  file,
  line,
  column,
}: Pick<RecordedAnnotation, 'file' | 'line' | 'column'>): string {
  return file === null ? '' : [file, line, column].filter((part) => part !== null).join(':')
}

/** The part of a job's summary that a page can show. */
export interface ReadSummary {
  /** The Markdown of each step that has any, in order. */
  steps: string[]
  /** False if only the beginning was read. */
  isWhole: boolean
}

/** Reads the beginnings of the summaries of jobs, in order, until `limits.shownSummaryBytesMax`
 *  are read. The result is keyed by the job's key; jobs without a summary, and those that none was
 *  left for, are missing from it. */
export async function readSummaries(
  metadata: Pick<Metadata, 'readSummaryPage'>,
  jobs: RecordedJob[],
): Promise<Map<string, ReadSummary>> {
  const read = new Map<string, ReadSummary>()
  let leftBytes: number = limits.shownSummaryBytesMax
  for (const job of jobs) {
    if (leftBytes <= 0) break
    if (job.summaryBytes === 0) continue
    const steps = new Map<number, string>()
    let isWhole = false
    for (let page = 0; leftBytes > 0 && !isWhole; page++) {
      const found = await metadata.readSummaryPage(job.id, page)
      if (found === undefined) isWhole = true
      else {
        steps.set(found.step, (steps.get(found.step) ?? '') + found.text)
        leftBytes -= Buffer.byteLength(found.text)
      }
    }
    read.set(job.key, { steps: [...steps.values()], isWhole })
  }
  return read
}
