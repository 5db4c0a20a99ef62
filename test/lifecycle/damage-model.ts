/** A store whose bytes go bad at random, against a plain map. `runDamageModel` makes random
 *  steps from a seed: uploads of random trees as tars (at several levels) and stock zips,
 *  flipped bytes, scrubs, deletes, collections. Invariants:
 *    1. a file reads as it was uploaded or fails as damaged, and an available artifact reads whole
 *       in every form;
 *    2. one ETag never stands for two bodies (invariant 6), and an exact zip is what was sent
 *       (invariant 7);
 *    3. rollups never drift;
 *    4. at the end everything heals once it is uploaded again, and nothing is left over. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { unzipSync } from 'fflate'
import { expect } from 'vitest'
import { type Digest, digestOf } from '../../src/core/bytes/digest.ts'
import { hasCode } from '../../src/core/errors.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { damagedPaths } from '../../src/egress/damage.ts'
import { representFile, representTarGz, representZip } from '../../src/egress/egress.ts'
import type { Representation } from '../../src/egress/representation.ts'
import type { Artifact, Metadata, Published, Run } from '../../src/metadata/metadata.ts'
import type { PackStore } from '../../src/packs/pack-store.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectNow, hour, scrubNow } from './collection.ts'
import { diskBytes, leftovers } from './leftovers.ts'
import { createRandom } from './random-world.ts'
import { flipByte, packPaths } from './stored-bytes.ts'
import { testDirectory } from '../temporary-directory.ts'
import { openStoreAt } from './store-at.ts'

type Form = 'tar' | 'zip'
type Tree = Map<string, Buffer>

interface Store {
  directory: string
  metadata: Metadata
  packs: PackStore
  run: Run
  now: () => number
}

const fileCount = 14

/** Content number `which`: most are small, some are cut into chunks. */
function contentOf(which: number): Buffer {
  const random = createRandom(which + 1)
  const words = Math.floor(which % 5 === 0 ? 60_000 : 20 + random() * 300)
  return Buffer.from(
    Array.from({ length: words }, () => Math.floor(random() * 1e6).toString(36)).join(' '),
  )
}

export async function runDamageModel(seed: number, steps: number): Promise<Map<string, number>> {
  const directory = testDirectory()
  const counts = new Map<string, number>()
  const { metadata, packs } = await openStoreAt(directory)
  let at = 0
  try {
    const run = await metadata.ensureRun(
      { project: parseProjectName('acme/app'), number: 7, attempt: 1 },
      noFacts,
      Date.now(),
    )
    let clock = Date.now()
    const store = { directory, metadata, packs, run, now: () => (clock += 1) }
    const model = createModel(store, createRandom(seed))
    for (at = 0; at < steps; at++) {
      const step = await model.step()
      counts.set(step, (counts.get(step) ?? 0) + 1)
    }
    await model.finish()
    await metadata.close()
    expect(leftovers(join(directory, 'trove.db'))).toEqual({})
    return counts
  } catch (error) {
    throw new Error(`damage model, seed ${seed}, step ${at}: ${String(error)}`, { cause: error })
  } finally {
    await packs.close()
  }
}

function createModel(
  store: Store,
  random: () => number,
): { step(): Promise<string>; finish(): Promise<void> } {
  const known = new Map<number, { tree: Tree; zip: Buffer | null }>()
  const bodies = new Map<string, Digest>()
  let uploads = 0
  const contents = Array.from({ length: fileCount }, (_, which) => contentOf(which))

  const put = async (form: Form, tree: Tree, level: number): Promise<void> => {
    const name = `artifact-${uploads++}`
    const members = [...tree].map(([path, content]) => ({ name: path, content }))
    const zip = form === 'zip' ? buildZip({ members }) : null
    const { artifact } = await upload(store, name, {
      body: zip ?? (await tarOf(members)),
      form,
      level,
    })
    known.set(artifact.id, { tree, zip })
  }
  const steps: Record<string, () => Promise<void>> = {
    upload: async () => {
      const chosen = contents.flatMap((content, which) =>
        random() < 0.35 ? [[`f${which}`, content] as const] : [],
      )
      if (chosen.length === 0) return
      await put(random() < 0.5 ? 'tar' : 'zip', new Map(chosen), random() < 0.5 ? 6 : 1)
    },
    spoil: async () => await spoilSomewhere(store, random),
    scrub: async () => {
      const report = await scrubNow(store)
      expect(report.drifts).toBe(0)
      for (const [id, { tree, zip }] of known) await checkArtifact(store, { id, tree, zip, bodies })
    },
    delete: async () => {
      const ids = [...known.keys()]
      const id = ids[Math.floor(random() * ids.length)]
      if (id === undefined) return
      known.delete(id)
      await store.metadata.removeArtifacts([id], {
        state: 'deleted',
        reason: 'deleted',
        now: store.now(),
      })
    },
    collect: async () => void (await collectNow(store)),
  }
  const names = ['upload', 'upload', 'upload', 'spoil', 'spoil', 'scrub', 'delete', 'collect']
  return {
    step: async () => {
      const name = names[Math.floor(random() * names.length)]!
      await steps[name]!()
      return name
    },
    finish: async () => {
      await steps['scrub']!()
      const everything: Tree = new Map(contents.map((content, which) => [`f${which}`, content]))
      await put('tar', everything, 6)
      await put('zip', everything, 6)
      await steps['scrub']!()
      for (const id of known.keys()) {
        const artifact = (await store.metadata.findArtifact(id))!
        expect(`${id} ${artifact.state}`).toBe(`${id} available`)
      }
      // Late enough that read leases left by scrub have ended.
      await collectNow({ ...store, now: () => store.now() + 2 * hour })
      const figures = await store.metadata.figures()
      expect(figures.storedBytes).toBe(await diskBytes(store.directory))
      const removal = { state: 'deleted', reason: 'deleted', now: store.now() } as const
      await store.metadata.removeArtifacts([...known.keys()], removal)
      await collectNow({ ...store, now: () => store.now() + 2 * hour })
      expect(await packPaths(join(store.directory, 'cas'))).toEqual([])
    },
  }
}

async function upload(
  { directory, metadata, packs, run, now }: Store,
  name: string,
  { body, form, level }: { body: Buffer; form: Form; level: number },
): Promise<Published> {
  const job = { ...jobOf(run, name, form, now()), expiresAt: now() + 1e10 }
  const settings = { ...ingestSettings, compressionLevel: level }
  return await ingestBody({ metadata, packs, settings, now }, directory, job, body)
}

async function spoilSomewhere({ directory }: Store, random: () => number): Promise<void> {
  const paths = await packPaths(join(directory, 'cas'))
  const path = paths[Math.floor(random() * paths.length)]
  if (path === undefined) return
  await flipByte(path, Math.floor(random() * (await stat(path)).size))
}

async function checkArtifact(
  store: Store,
  {
    id,
    tree,
    zip,
    bodies,
  }: { id: number; tree: Tree; zip: Buffer | null; bodies: Map<string, Digest> },
): Promise<void> {
  const artifact = (await store.metadata.findArtifact(id))!
  const unreadable: string[] = []
  for (const [path, content] of tree) {
    const { entry } = (await store.metadata.findEntry(id, path))!
    if (entry.kind !== 'file') throw new Error(`${path} is no file`)
    const body = await bodyOf(await representFile(store, artifact, entry), bodies)
    if (body === undefined) unreadable.push(path)
    else expect(body.equals(content)).toBe(true)
  }
  const named = await damagedPaths(store, artifact)
  expect(named).toEqual(expect.arrayContaining(unreadable))
  expect(artifact.state).toBe(named.length > 0 ? 'damaged' : 'available')
  await checkArchives(store, artifact, { tree, zip, bodies })
}

async function checkArchives(
  store: Store,
  artifact: Artifact,
  { tree, zip, bodies }: { tree: Tree; zip: Buffer | null; bodies: Map<string, Digest> },
): Promise<void> {
  const served = await bodyOf(await representZip(store, artifact), bodies)
  const tarGz = await bodyOf(await representTarGz(store, artifact), bodies)
  if (artifact.state === 'damaged') return
  expect(tarGz).toBeDefined()
  if (zip !== null) expect(served!.equals(zip)).toBe(true)
  const files = Object.entries(unzipSync(served!)).map(([path, bytes]) => [path, digestOf(bytes)])
  expect(Object.fromEntries(files)).toEqual(
    Object.fromEntries([...tree].map(([path, content]) => [path, digestOf(content)])),
  )
}

/** The body, or undefined when it fails as damaged. Checks that equal ETags always come with
 *  equal bytes. */
async function bodyOf(
  representation: Representation,
  bodies: Map<string, Digest>,
): Promise<Buffer | undefined> {
  let body: Buffer
  try {
    body = await readAll(representation)
  } catch (error) {
    if (hasCode(error, 'blob_damaged')) return undefined
    throw error
  }
  expect(body.length).toBe(representation.totalBytes)
  const digest = digestOf(body)
  expect(bodies.get(representation.etag) ?? digest).toBe(digest)
  bodies.set(representation.etag, digest)
  return body
}
