/** A file as the rendering thread knows it, and what is shown of it. */
import { longPartBytesMax } from '../fitting.ts'
import type { Html } from '../parts/html.ts'
import { type ArtifactPlace, blobPath, withQuery } from '../paths.ts'

export interface ShownFile {
  artifact: ArtifactPlace
  file: { path: string; sizeBytes: number }
  /** How many bytes to show; 0: as much as fits on a page. */
  wantedBytes: number
  /** Whether it is a member of an archive, which has no address of its own but its page. */
  isMember?: boolean
}

export interface Preview {
  shown: Html
  /** Whether it is made of text that can be shown instead. */
  hasSource: boolean
}

export function withoutSource(shown: Html): Preview {
  return { shown, hasSource: false }
}

/** Files up to this size can be shown whole, and are parsed if their kind has structure. */
export const textBytesMax: number = 1024 * 1024

/** The same for reports of tests and coverage, which are often larger. */
export const reportBytesMax: number = 4 * 1024 * 1024

/** Compressed bytes of a preview: what fits on a page, or all. */
export function previewBytesMax({ wantedBytes }: ShownFile): number {
  return wantedBytes === 0 ? longPartBytesMax : Infinity
}

/** The page that shows the file up to that size, however large that makes the page. */
export function wholePath({ artifact, file }: ShownFile): string {
  return withQuery(blobPath(artifact, file.path), { bytes: String(textBytesMax) })
}
