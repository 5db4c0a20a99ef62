/** Directories for tests, removed when these have ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'

/** For the current test. */
export function testDirectory(): string {
  return removedBy(onTestFinished)
}

/** For all tests of the file that calls it. */
export function fileDirectory(): string {
  return removedBy(afterAll)
}

function removedBy(whenOver: (remove: () => void) => void): string {
  const directory = mkdtempSync(join(tmpdir(), 'trove-'))
  whenOver(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
