/** The entries of an upload, checked to form a tree, in memory bounded by their number and the
 *  length of their paths. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { comparePaths } from '../../src/core/manifest/entry.ts'
import { digestOf, emptyDigest } from '../../src/core/bytes/digest.ts'
import { hasCode } from '../../src/core/errors.ts'
import { createEntryTable } from '../../src/ingest/entry-table.ts'
import { builtUrl } from '../../src/program-files.ts'

interface Given {
  path: string
  isDirectory: boolean
  mode: number
}

/** Names that sort before, at and after the slash, and are short enough to collide often. */
const segment = fc.constantFrom('a', 'aa', 'a-', 'a0', 'b', '\u{1f600}', '\ufffd')
const given: fc.Arbitrary<Given> = fc.record({
  path: fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/')),
  isDirectory: fc.boolean(),
  mode: fc.constantFrom(0o755, 0o700),
})

/** The definition, regardless of cost; undefined when the paths do not form a tree. */
function keptPaths(entries: Given[]): string[] | undefined {
  const kept = new Map<string, Given>()
  for (const entry of entries) {
    const known = kept.get(entry.path)
    if (known === undefined) kept.set(entry.path, entry)
    else if (!known.isDirectory || !entry.isDirectory) return undefined
  }
  const isOccupied = (path: string): boolean =>
    entries.some((other) => other.path.startsWith(`${path}/`))
  const all = [...kept.values()]
  if (all.some((entry) => !entry.isDirectory && isOccupied(entry.path))) return undefined
  return all
    .filter((entry) => !entry.isDirectory || !isOccupied(entry.path) || entry.mode !== 0o755)
    .map((entry) => entry.path)
    .toSorted(comparePaths)
}

test('exactly the entries that form a tree are kept, and everything else is rejected', () => {
  fc.assert(
    fc.property(fc.array(given, { maxLength: 12 }), (entries) => {
      const table = createEntryTable({ entriesMax: 100 })
      for (const { path, isDirectory, mode } of entries) {
        if (isDirectory) table.addDirectory(path, { mode, modifiedAt: null })
        else table.addFile(path, { mode, digest: emptyDigest, sizeBytes: 0, modifiedAt: null })
      }
      let paths: string[] | undefined
      try {
        const sorted = table.sort()
        paths = Array.from({ length: sorted.count }, (_, at) => sorted.entry(at).path)
      } catch (error) {
        if (!hasCode(error, 'duplicate_path')) throw error
      }
      expect(paths).toEqual(keptPaths(entries))
    }),
    { numRuns: 1000 },
  )
})

// 5,000 paths of 4 KB with two thousand directories each: 20 MB of characters.
test('deep paths take no more memory than their characters', async () => {
  const code = `
    import(${JSON.stringify(builtUrl('ingest/entry-table.ts').href)}).then(({ createEntryTable }) => {
      const table = createEntryTable({ entriesMax: 5000 })
      const file = { mode: 0o644, digest: '${digestOf('')}', sizeBytes: 0, modifiedAt: null }
      for (let at = 0; at < 5000; at++)
        table.addFile(Buffer.from(at + '/a'.repeat(2000)).toString('latin1'), file)
      require('node:worker_threads').parentPort.postMessage(table.sort().count)
    })`
  const worker = new Worker(code, {
    eval: true,
    resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 },
  })
  expect(await once(worker, 'message')).toEqual([5000])
  await worker.terminate()
})
