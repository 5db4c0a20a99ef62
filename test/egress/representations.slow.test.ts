/** Properties of every representation: the announced length is the emitted one, any range is that
 *  slice of the whole, and chunks have the documented sizes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  representFile,
  representRunZip,
  representTarGz,
  representWrappedZip,
  representZip,
} from '../../src/egress/egress.ts'
import { compilePathGlobs } from '../../src/core/glob/path-glob.ts'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import { createMemoryStore, type EntrySpec, type MemoryStore } from './memory-store.ts'
import { readAll } from './read-all.ts'
import { fullTree, tree } from './trees.ts'

async function everyForm(store: MemoryStore, artifact: Artifact): Promise<Representation[]> {
  const { reader } = store
  const forms = [
    await representZip(reader, artifact),
    await representTarGz(reader, artifact),
    await representRunZip(reader, [artifact, artifact]),
  ]
  const entries = (await reader.metadata.readEntryPage(artifact.id, 0))?.entries ?? []
  for (const [represent, paths] of [
    [representZip, ['**/*.txt', 'bin/*']],
    [representTarGz, ['*']],
  ] as const) {
    const matches = compilePathGlobs(paths)
    const part = represent(reader, artifact, { paths })
    if (entries.some(({ path }) => matches(path))) forms.push(await part)
    else await expect(part).rejects.toMatchObject({ code: 'no_files' })
  }
  for (const entry of entries) {
    if (entry.kind !== 'file') continue
    forms.push(await representFile(reader, artifact, entry))
    forms.push(await representFile(reader, artifact, entry, { gzip: true }))
  }
  if (entries.some(({ kind }) => kind === 'file'))
    forms.push(await representWrappedZip(reader, artifact))
  return forms
}

async function checkRanges(representation: Representation, cuts: number[]): Promise<void> {
  const whole = await readAll(representation)
  expect(whole.length).toBe(representation.totalBytes)
  const borders = [0, ...cuts.map((cut) => Math.floor(cut * whole.length)), whole.length].sort(
    (a, b) => a - b,
  )
  for (let index = 1; index < borders.length; index++) {
    const [start, end] = [borders[index - 1]!, borders[index]!]
    const part = await readAll(representation, start, end)
    expect(part.equals(whole.subarray(start, end)), `[${start}, ${end}) of ${whole.length}`).toBe(
      true,
    )
  }
}

async function check(specs: EntrySpec[], cuts: number[], packBytes: number): Promise<void> {
  const store = createMemoryStore({ packBytes })
  const artifact = store.addArtifact(specs)
  for (const representation of await everyForm(store, artifact))
    await checkRanges(representation, cuts)
}

test('any ranges of any representation concatenate to the whole, which has the announced length', async () => {
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
  await fc.assert(fc.asyncProperty(tree, cuts, fc.constantFrom(500, 20_000, 1_000_000), check), {
    numRuns: 30,
  })
}, 60_000)

test('a tree with every kind of entry has the announced lengths and ranges', async () => {
  await check(fullTree(), [0.001, 0.1, 0.37, 0.5, 0.77, 0.999], 1_000_000)
})

test('an artifact without entries is an empty zip and an empty tar', async () => {
  await check([], [0.5], 1000)
})

test('modification times change bytes but never a length', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.integer({ min: -1e9, max: 1e11 }), async (specs, modifiedAt) => {
      const store = createMemoryStore()
      const untimed = store.addArtifact(specs.map((spec) => ({ ...spec, modifiedAt: null })))
      const timed = store.addArtifact(specs.map((spec) => ({ ...spec, modifiedAt })))
      expect([timed.zipBytes, timed.tarGzBytes]).toEqual([untimed.zipBytes, untimed.tarGzBytes])
      const zip = await readAll(await representZip(store.reader, timed))
      const tarGz = await readAll(await representTarGz(store.reader, timed))
      expect([zip.length, tarGz.length]).toEqual([timed.zipBytes, timed.tarGzBytes])
    }),
    { numRuns: 30 },
  )
})

test('chunks are between 16 KiB and 1 MiB, except the last', async () => {
  const store = createMemoryStore()
  for (const representation of await everyForm(store, store.addArtifact(fullTree()))) {
    const sizes: number[] = []
    for await (const chunk of representation.read(0, representation.totalBytes))
      sizes.push(chunk.length)
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(1024 * 1024)
    expect(Math.min(...sizes.slice(0, -1), Infinity)).toBeGreaterThanOrEqual(16 * 1024)
  }
})

test('the same artifact has the same ETags, and another version, subset or encoding has different ones', async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(fullTree())
  const tags = (forms: Representation[]): string[] => forms.map(({ etag }) => etag)
  const first = tags(await everyForm(store, artifact))
  expect(tags(await everyForm(store, artifact))).toEqual(first)
  // Except for contents of files, whose ETags are their digests.
  expect(new Set(first).size).toBe(first.length)
  const healed = tags(await everyForm(store, { ...artifact, version: 2 }))
  const kept = healed.filter((tag) => first.includes(tag))
  expect(kept.every((tag) => /^"[0-9a-f]{64}"$/.test(tag))).toBe(true)
  for (const tag of first) expect(tag).toMatch(/^"[!#-~]+"$/)
})
