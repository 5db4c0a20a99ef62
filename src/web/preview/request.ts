/** What a preview is made of, and how it reads the file. */
import { representFile } from '../../egress/egress.ts'
import type { AppContext } from '../../http/context.ts'
import type { Artifact, StoredFile } from '../../metadata/metadata.ts'
import type { Web } from '../page.tsx'

export interface PreviewRequest {
  web: Web
  artifact: Artifact
  file: StoredFile
  /** Shows markup, tables and trees as the text they are. */
  asText: boolean
  /** The reader has been told that it is untrusted, and wants to see it all the same. */
  isConfirmed: boolean
  /** How many bytes to show, bounded by `textBytesMax`; 0: as much as fits on a page. */
  wantedBytes: number
  /** Aborted when the reader is gone. */
  signal: AbortSignal
}

/** Bytes of the file in memory. Errors: blob_damaged. */
export async function readBytes(
  context: AppContext,
  { artifact, file }: Pick<PreviewRequest, 'artifact' | 'file'>,
  start: number,
  end: number,
): Promise<Buffer> {
  const representation = await representFile(context, artifact, file)
  await representation.verifyReadable()
  const pieces: Buffer[] = []
  for await (const piece of representation.read(start, end)) pieces.push(piece)
  return Buffer.concat(pieces)
}
