import { expect, test } from 'vitest'
import { usageOfProject } from '../../src/stats/usage.ts'

test.each([
  // Logical, unique and chunk bytes; then what whole files and chunks saved, and the ratio.
  ['brought all that it holds', [300, 200, 100], [100, 100, 3]],
  ['deleted what another project still holds', [0, 0, 500], [0, 0, 1]],
  ['holds less than what it deleted and others still hold', [60, 30, 500], [30, 0, 2]],
  ['holds only what another project brought', [300, 100, 0], [200, 100, 3]],
  ['deleted what can still be restored', [0, 100, 100], [0, 0, 1]],
])('a project that %s saves no less than nothing', (_, figures, expected) => {
  const [logicalBytes = 0, uniqueBytes = 0, chunkBytes = 0] = figures
  const usage = usageOfProject({ artifacts: 1, files: 1, logicalBytes, uniqueBytes, chunkBytes })
  const { wholeFile, chunk } = usage.savedBy
  expect([wholeFile, chunk, usage.dedupRatio]).toEqual(expected)
})
