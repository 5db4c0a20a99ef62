/** A task for the thread that renders previews: a text file. */
import type { PreviewTask } from '../../src/web/rendering.tsx'

export function textTask(text: string): PreviewTask {
  const bytes = Buffer.from(text)
  return {
    kind: 'text',
    shown: {
      artifact: { project: 'octo/app', runNumber: 1, id: 1 },
      file: { path: 'a.txt', sizeBytes: bytes.length },
      wantedBytes: 0,
    },
    bytes,
  }
}
