import { expect, test } from 'vitest'
import { usageOfProject, usageOfStore } from '../../src/stats/usage.ts'

const artifacts = { artifacts: 1, files: 1 }

test.each([
  // Logical, removed, unique and chunk bytes; then what whole files and chunks saved, and the
  // ratio.
  ['uploaded all that it holds', [300, 0, 200, 100], [100, 100, 3]],
  ['deleted what another project still holds', [0, 0, 0, 500], [0, 0, 1]],
  ['holds less than what it deleted and others still hold', [60, 0, 30, 500], [30, 0, 2]],
  ['holds only what another project uploaded', [300, 0, 100, 0], [200, 100, 3]],
  ['deleted what can still be restored', [0, 100, 100, 100], [0, 0, 1]],
  ['deleted one of two equal artifacts', [100, 100, 100, 100], [100, 0, 2]],
  ['released what is not cleared yet', [0, 0, 100, 100], [0, 0, 1]],
])('a project that %s saves no less than nothing', (_, figures, expected) => {
  const [logicalBytes = 0, removedBytes = 0, uniqueBytes = 0, chunkBytes = 0] = figures
  const project = { ...artifacts, logicalBytes, removedBytes, uniqueBytes, chunkBytes }
  const usage = usageOfProject(project)
  const { wholeFile, chunk } = usage.savedBy
  expect([wholeFile, chunk, usage.dedupRatio]).toEqual(expected)
})

test.each([
  ['with artifacts only', [300, 0, 200, 100, 40], [100, 100, 60]],
  ['that can still restore half of its artifacts', [150, 150, 200, 100, 40], [100, 100, 60]],
  ['into which an upload is in progress', [300, 0, 200, 900, 400], [100, 0, -200]],
  ['that has released all of its artifacts', [0, 0, 200, 100, 40], [0, 0, -40]],
])('the layers of a store %s add up to what is live', (_, figures, expected) => {
  const [logicalBytes = 0, removedBytes = 0, uniqueBytes = 0, chunkBytes = 0, liveBytes = 0] =
    figures
  const packs = { damagedArtifacts: 0, packs: 1, storedBytes: 1000 }
  const usage = usageOfStore({
    ...artifacts,
    ...packs,
    logicalBytes,
    removedBytes,
    uniqueBytes,
    chunkBytes,
    liveBytes,
  })
  const { wholeFile, chunk, compression } = usage.savedBy
  expect([wholeFile, chunk, compression]).toEqual(expected)
  expect(usage.logicalBytes + usage.removedBytes - wholeFile).toBe(usage.uniqueBytes)
  expect(usage.uniqueBytes - chunk - compression!).toBe(usage.liveBytes)
})
