/** The input of a preview, and how it reads the file. */
import type { Signer } from '../../auth/signed-urls.ts'
import { representFile } from '../../egress/egress.ts'
import type { AppContext } from '../../http/context.ts'
import type { Artifact, StoredFile } from '../../metadata/metadata.ts'
import type { Web } from '../page.tsx'

export interface PreviewRequest {
  web: Web
  artifact: Artifact
  file: StoredFile
  /** Show markup, tables and trees as plain text. */
  asText: boolean
  /** Whether the visitor chose to see untrusted HTML. */
  isConfirmed: boolean
  /** Of addresses in the preview. */
  signer: Signer | null
  /** How many bytes to show, at most `textBytesMax`; 0: as much as fits on a page. */
  wantedBytes: number
  /** Aborted when the client disconnects. */
  signal: AbortSignal
}

/** Reads a range of the file into memory. Errors: blob_damaged. */
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
