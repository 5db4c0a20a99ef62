/** A store that needs every step of a garbage collection, and the checks after its process died at
 *  any of them: live artifacts are intact, and the next collection leaves no debris (invariants
 *  1–3, 5). */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { representZip } from '../../src/egress/egress.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectNow, day, hour } from '../lifecycle/collection.ts'
import { diskBytes, leftovers } from '../lifecycle/leftovers.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import { closeStore, openStoreAt, recoverAt, withStoreAt } from '../lifecycle/store-at.ts'
import { runAndDie, withCopy } from './dying.ts'

const uploadedAt = Date.UTC(2026, 0, 2)
const collectedAt = uploadedAt + 30 * day

export interface CrashStore {
  directory: string
  /** Digests of the zips of the artifacts that stay, by id. */
  kept: Map<number, string>
}

/** Builds a store with artifacts that stay, expire and are deleted, with and without time to undo,
 *  and that share files in many packs. */
export async function buildCrashStore(seed: number): Promise<CrashStore> {
  const directory = await mkdtemp(join(tmpdir(), 'trove-collect-'))
  const random = createRandom(seed)
  const store = await openStoreAt(directory)
  const identity = { project: parseProjectName('acme/app'), number: 7, attempt: 1 }
  const run = await store.metadata.ensureRun(identity, noFacts, uploadedAt)
  const kept = new Map<number, string>()
  for (let number = 0; number < 18; number++) {
    const members = Array.from({ length: 6 }, (_, index) => {
      const which =
        random() < 0.5 ? `shared ${Math.floor(random() * 12)}` : `${seed} ${number} ${index}`
      const bytes = index === 0 && number % 5 === 0 ? 300_000 : 2000
      return { name: `file-${index}`, content: Buffer.alloc(bytes, digestOf(which)) }
    })
    const zip = buildZip({ members })
    const fate = (['stays', 'expires', 'deleted'] as const)[number % 3]!
    const job = jobOf(run, `artifact-${number}`, 'zip', uploadedAt)
    if (fate === 'expires') job.expiresAt = uploadedAt + 20 * day
    const ports = { ...store, settings: ingestSettings, now: () => uploadedAt }
    const { artifact } = await ingestBody(ports, directory, job, zip)
    if (fate === 'stays') kept.set(artifact.id, digestOf(zip))
    if (fate === 'deleted') {
      const removal = {
        state: 'deleted',
        reason: 'deleted',
        now: collectedAt,
        undoMs: hour,
      } as const
      await store.metadata.removeArtifacts([artifact.id], removal)
    }
  }
  await closeStore(store)
  return { directory, kept }
}

/** Returns all steps of a collection of this store, in order. */
export async function stepsOf({ directory }: CrashStore): Promise<string[]> {
  return await withCopy(directory, async (copy) => await collectAndDie(copy, -1))
}

/** Kills a collection at the nth step, opens the store again and checks it. Returns the name of the
 *  step. */
export async function killAt({ directory, kept }: CrashStore, nth: number): Promise<string> {
  return await withCopy(directory, async (copy) => {
    const steps = await collectAndDie(copy, nth)
    expect(steps).toHaveLength(nth + 1)
    await checkAfterCrash(copy, kept)
    return steps.at(-1)!
  })
}

async function collectAndDie(directory: string, nth: number): Promise<string[]> {
  return await runAndDie('collect', directory, nth, String(collectedAt))
}

async function checkAfterCrash(directory: string, kept: Map<number, string>): Promise<void> {
  await withStoreAt(directory, async (store) => {
    const ports = { ...store, now: () => collectedAt }
    const expectWhole = async (): Promise<void> => {
      const page = { limit: 100, offset: 0, sort: 'oldest', now: collectedAt } as const
      const { artifacts } = await store.metadata.listArtifacts({}, page)
      expect(artifacts.map((artifact) => artifact.id)).toEqual([...kept.keys()])
      for (const artifact of artifacts) {
        const zip = await readAll(await representZip(store, artifact))
        expect(digestOf(zip)).toBe(kept.get(artifact.id))
      }
      expect((await store.metadata.figures()).storedBytes).toBe(await diskBytes(directory))
    }
    await recoverAt(directory, ports)
    await expectWhole()
    await collectNow(ports)
    await expectWhole()
  })
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}
