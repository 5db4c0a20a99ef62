/** What the rendering thread knows of the file. */
import type { ArtifactPlace } from '../paths.ts'

export interface ShownFile {
  artifact: ArtifactPlace
  file: { path: string; sizeBytes: number }
  /** How many bytes to show; 0: as much as fits on a page. */
  wantedBytes: number
  /** Whether it is a member of an archive, which has no address of its own but its page. */
  isMember?: boolean
}

/** Files up to this size can be shown whole, and are parsed if their kind has structure. */
export const textBytesMax: number = 1024 * 1024

/** The same for reports of tests and coverage, which are often larger. */
export const reportBytesMax: number = 4 * 1024 * 1024
