/** A store that needs every step of a garbage collection, and the checks after its process died at
 *  any of them: live artifacts are intact, and the next collection leaves no debris (invariants
 *  1–3, 5). */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { parseProjectName, noFacts } from '../../src/core/run/run.ts'
import { representZip } from '../../src/egress/egress.ts'
import { openStaging } from '../../src/ingest/staging/staging.ts'
import { recover } from '../../src/lifecycle/recovery/recover.ts'
import { openSqliteMetadata } from '../../src/metadata/sqlite/sqlite.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { ingestBody, ingestSettings, jobOf, readAll } from '../ingest/open-store.ts'
import { collectNow, day, hour } from '../lifecycle/collection.ts'
import { diskBytes, leftovers } from '../lifecycle/leftovers.ts'
import { createRandom } from '../lifecycle/random-world.ts'

const child = fileURLToPath(new URL('collect-child.mjs', import.meta.url))
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
  const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
  const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
  const identity = { project: parseProjectName('acme/app'), number: 7, attempt: 1 }
  const run = await metadata.ensureRun(identity, noFacts, uploadedAt)
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
    const ports = { metadata, packs, settings: ingestSettings, now: () => uploadedAt }
    const { artifact } = await ingestBody(ports, directory, job, zip)
    if (fate === 'stays') kept.set(artifact.id, digestOf(zip))
    if (fate === 'deleted') {
      const removal = {
        state: 'deleted',
        reason: 'deleted',
        now: collectedAt,
        undoMs: hour,
      } as const
      await metadata.removeArtifacts([artifact.id], removal)
    }
  }
  await packs.close()
  await metadata.close()
  return { directory, kept }
}

/** Runs a collection in a process that dies at the `nth` step. Returns the steps it passed. */
async function collectAndDie(directory: string, nth: number): Promise<string[]> {
  const argv = [child, directory, String(nth), String(collectedAt)]
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      if (error !== null && error.signal !== 'SIGKILL') reject(new Error(stderr))
      else resolve(stdout.split('\n').filter((line) => line !== ''))
    })
  })
}

/** Returns all steps of a collection of this store, in order. */
export async function stepsOf(store: CrashStore): Promise<string[]> {
  return await withCopy(store, async (directory) => await collectAndDie(directory, -1))
}

/** Kills a collection at the nth step, opens the store again and checks it. Returns the name of the
 *  step. */
export async function killAt(store: CrashStore, nth: number): Promise<string> {
  return await withCopy(store, async (directory) => {
    const steps = await collectAndDie(directory, nth)
    expect(steps).toHaveLength(nth + 1)
    await checkAfterCrash(directory, store.kept)
    return steps.at(-1)!
  })
}

async function withCopy<T>(
  { directory }: CrashStore,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), 'trove-collect-copy-'))
  try {
    await cp(directory, copy, { recursive: true })
    return await work(copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

async function checkAfterCrash(directory: string, kept: Map<number, string>): Promise<void> {
  const metadata = openSqliteMetadata({ path: join(directory, 'trove.db') })
  const packs = await openLocalPackStore({ directory: join(directory, 'cas') })
  const staging = await openStaging(join(directory, 'cas', 'staging', 'uploads'), {
    uploadBytesMax: limits.artifactBytesMax,
  })
  const now = (): number => collectedAt
  const expectWhole = async (): Promise<void> => {
    const page = { limit: 100, offset: 0, sort: 'oldest', now: collectedAt } as const
    const { artifacts } = await metadata.listArtifacts({}, page)
    expect(artifacts.map((artifact) => artifact.id)).toEqual([...kept.keys()])
    for (const artifact of artifacts) {
      const zip = await readAll(await representZip({ metadata, packs }, artifact))
      expect(digestOf(zip)).toBe(kept.get(artifact.id))
    }
  }
  try {
    await recover({ metadata, packs, staging, now })
    await expectWhole()
    expect((await metadata.figures()).storedBytes).toBe(await diskBytes(directory))
    await collectNow({ metadata, packs, now })
    await expectWhole()
    expect((await metadata.figures()).storedBytes).toBe(await diskBytes(directory))
  } finally {
    await packs.close()
    await metadata.close()
  }
  expect(leftovers(join(directory, 'trove.db'))).toEqual({})
}
