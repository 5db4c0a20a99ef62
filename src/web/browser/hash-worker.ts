/** Hashes the files it is given, one after another. */
import type { HashAnswer, HashRequest } from './hashing.ts'
import { createSha256, toHex } from './sha256.ts'

let last: Promise<void> = Promise.resolve()

addEventListener('message', ({ data }: MessageEvent<HashRequest>) => {
  last = last.then(() => answer(data))
})

async function answer({ id, file }: HashRequest): Promise<void> {
  const tell = (message: HashAnswer): void => {
    postMessage(message)
  }
  try {
    const hasher = createSha256()
    const reader = file.stream().getReader()
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      hasher.update(chunk.value)
      tell({ id, kind: 'progress', bytes: chunk.value.length })
    }
    tell({ id, kind: 'done', digest: toHex(hasher.digest()) })
  } catch (error) {
    tell({ id, kind: 'failed', message: error instanceof Error ? error.message : String(error) })
  }
}
