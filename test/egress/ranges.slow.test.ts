/** Ranges of generated archives: what is cached about an archive affects how ranges are found, but
 *  no byte of them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ArtifactName } from '../../src/core/artifact.ts'
import { limits } from '../../src/core/limits.ts'
import { representRunZip, representTarGz, representZip } from '../../src/egress/egress.ts'
import type { Reader } from '../../src/egress/reader.ts'
import { createMarks } from '../../src/egress/archive-cache.ts'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact } from '../../src/metadata/metadata.ts'
import {
  createMemoryStore,
  type EntrySpec,
  type FileForm,
  type MemoryStore,
} from './memory-store.ts'
import { readAll } from './read-all.ts'
import { turns } from '../turns.ts'

const pageEntries = limits.manifestPageEntries
const paths = ['[024]/*', 'd[1-6]/*']
const forms: Record<string, (reader: Reader, artifact: Artifact) => Promise<Representation>> = {
  zip: representZip,
  'tar.gz': representTarGz,
  'zip of some paths': (reader, artifact) => representZip(reader, artifact, { paths }),
  'tar.gz of some paths': (reader, artifact) => representTarGz(reader, artifact, { paths }),
  'zip of a run': (reader, artifact) =>
    representRunZip(reader, [artifact, { ...artifact, name: 'same' as ArtifactName }]),
}
const formNames = Object.keys(forms)

/** Metadata of one artifact about which nothing is cached; counts the pages that are read.
 *  `knowsPages`: the page sizes of its zip were recorded when it was committed. */
function readerOf(
  store: MemoryStore,
  made: () => Artifact,
  knowsPages = true,
): { reader: Reader; pages: number[] } {
  const pages: number[] = []
  const { metadata, packs } = store.reader
  const readEntryPage: Reader['metadata']['readEntryPage'] = async (_id, page) => {
    pages.push(page)
    return await metadata.readEntryPage(made().id, page)
  }
  const readZipPages: Reader['metadata']['readZipPages'] = async () =>
    knowsPages ? await metadata.readZipPages(made().id, made().version) : null
  return { reader: { packs, metadata: { ...metadata, readEntryPage, readZipPages } }, pages }
}

const file = (index: number, form: FileForm, length = 1 + (index % 700)): EntrySpec => ({
  kind: 'file',
  path: `d${index % 9}/${index}`,
  content: Buffer.alloc(length, `${index} `),
  form,
  modifiedAt: index % 3 === 0 ? null : 1_700_000_000 + index,
})
const fileForms: FileForm[] = ['joining', 'deflate', 'stored', { partBytes: 100 }]

/** Runs of entries of one kind, so that pages begin after contents, headers and foreign streams
 *  alike. */
const kinds = fc.constantFrom('file', 'foreign', 'empty', 'directory', 'symlink')
const trees = fc
  .array(fc.tuple(kinds, fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constant(pageEntries))), {
    minLength: 1,
    maxLength: 5,
  })
  .map((runs) =>
    runs.flatMap(([kind, length], run) =>
      Array.from({ length }, (_, index): EntrySpec => {
        const path = `${run}/${String(index).padStart(4, '0')}`
        switch (kind) {
          case 'directory':
            return { kind, path }
          case 'symlink':
            return { kind, path, target: `t${index}` }
          default: {
            const form = kind === 'foreign' ? 'deflate' : fileForms[index % fileForms.length]!
            return { ...file(index, form, kind === 'empty' ? 0 : undefined), path }
          }
        }
      }),
    ),
  )

/** The same contents with some streams in another form, as healing leaves them. */
function healed(specs: readonly EntrySpec[]): EntrySpec[] {
  return specs.map((spec, index) =>
    spec.kind === 'file' && index % 5 === 0 ? { ...spec, form: 'stored' } : spec,
  )
}

const fractions = fc.array(
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 3000 })),
  { minLength: 1, maxLength: 5 },
)

async function expectSlices(
  archive: Representation,
  whole: Buffer,
  ranges: (readonly [number, number])[],
): Promise<void> {
  for (const [fraction, length] of ranges) {
    const start = Math.floor(fraction * (whole.length - 1))
    const end = Math.min(start + length, whole.length)
    const bytes = await readAll(archive, start, end)
    if (!bytes.equals(whole.subarray(start, end)))
      throw new Error(`bytes ${start} to ${end} of ${whole.length} differ`)
  }
}

test.each(formNames)(
  'any range of a %s is that slice of it, whatever was read before, also after healing',
  async (form) => {
    const represent = forms[form]!
    const ranges = fc.tuple(fractions, fractions)
    const property = fc.asyncProperty(
      trees,
      ranges,
      fc.boolean(),
      async (specs, [first, then], knowsPages) => {
        const store = createMemoryStore()
        let now = store.addArtifact(specs)
        const artifact = now
        const { reader } = readerOf(store, () => now, knowsPages)
        const whole = await readAll(
          await represent(readerOf(store, () => artifact).reader, artifact),
        )
        const archive = await represent(reader, artifact)
        await expectSlices(archive, whole, first)
        expect((await readAll(archive)).equals(whole)).toBe(true)
        await expectSlices(archive, whole, [...then, [1, 1]])
        // A new version of the same artifact.
        now = store.addArtifact(healed(specs))
        const { zipBytes, tarGzBytes } = now
        const version2: Artifact = { ...artifact, zipBytes, tarGzBytes, version: 2 }
        const wholeNow = await readAll(await represent(readerOf(store, () => now).reader, version2))
        await expectSlices(await represent(reader, version2), wholeNow, [...first, ...then])
      },
    )
    await fc.assert(property, { numRuns: turns(25) })
  },
)

/** Twenty pages, which the tests only read. */
const longStore = createMemoryStore()
const longArtifact = longStore.addArtifact(
  Array.from({ length: 20 * pageEntries }, (_, index) => file(index, 'joining', 20)),
)

const unmeasured = 'zip that was committed by an older version'

test.each([...formNames, unmeasured])('ranges far into a %s are found', async (form) => {
  const represent = forms[form] ?? representZip
  const { reader, pages } = readerOf(longStore, () => longArtifact, form !== unmeasured)
  const read = async (fraction: number): Promise<number> => {
    pages.length = 0
    // Each request creates the representation anew.
    const archive = await represent(reader, longArtifact)
    const start = Math.floor(fraction * (archive.totalBytes - 100))
    await readAll(archive, start, start + 100)
    return pages.length
  }
  // All pages once, and those of the range; measuring a tar.gz of some paths takes all pages as
  // well. The page sizes of a zip are kept with the artifact.
  const most = { zip: 3, 'tar.gz of some paths': 44, 'zip of a run': 45 }[form] ?? 25
  expect(await read(1)).toBeLessThanOrEqual(most)
  expect(await read(1)).toBeLessThanOrEqual(3)
  expect(await read(0.5)).toBeLessThanOrEqual(3)
})

test('an interrupted download leaves marks from which the next one resumes', async () => {
  for (const form of formNames) {
    const { reader, pages } = readerOf(longStore, () => longArtifact)
    const archive = await forms[form]!(reader, longArtifact)
    const middle = Math.floor(archive.totalBytes / 2)
    await readAll(archive, 0, middle)
    pages.length = 0
    await readAll(archive, middle, middle + 100)
    expect(pages.length).toBeLessThanOrEqual(2)
  }
})

test('the number of marks is bounded however many pages there are, and they are evenly spaced', () => {
  const marks = createMarks<{ page: number }>()
  for (let page = 0; page < 100_000; page++) marks.note({ page })
  let kept = 0
  marks.findLast(() => {
    kept += 1
    return false
  })
  expect(kept).toBeLessThanOrEqual(2000)
  for (let page = 0; page < 100_000; page += 999) {
    const before = marks.findLast((mark) => mark.page <= page)!.page
    expect(page - before).toBeLessThan(64)
  }
})
