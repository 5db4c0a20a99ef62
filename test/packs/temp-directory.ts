import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Creates a directory for the current test, removed when it ends. */
export async function makeTempDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'trove-packs-'))
  onTestFinished(async () => {
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}
