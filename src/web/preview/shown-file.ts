/** What is known of a file in the thread that puts its preview together. */
import type { ArtifactPlace } from '../paths.ts'

export interface ShownFile {
  artifact: ArtifactPlace
  file: { path: string; sizeBytes: number }
  /** How many bytes to show; 0: as much as fits on a page. */
  wantedBytes: number
}

/** Text up to this size is shown whole, and structure looked for in it. */
export const textBytesMax: number = 1024 * 1024
