/** kill -9 at every named step of an upload. Goal: acknowledged artifacts are intact, others are
 *  invisible, and the next start collects all debris (invariants 1–3). Method: a child process
 *  kills itself at the step; the parent opens the store like a starting server, recovers it, and
 *  checks it. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { representTarGz, representZip } from '../../src/egress/egress.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { readAll } from '../ingest/open-store.ts'
import { diskBytes } from '../lifecycle/leftovers.ts'
import { recoverAt, withStoreAt } from '../lifecycle/store-at.ts'
import { packPaths } from '../lifecycle/stored-bytes.ts'
import { fileDirectory } from '../temporary-directory.ts'

const child = fileURLToPath(new URL('ingest-child.mjs', import.meta.url))

/** In the order in which an upload passes them. */
const steps = [
  'session-opened',
  'pack-filled',
  'pack-written',
  'pack-synced',
  'pack-renamed',
  'pack-directory-synced',
  'pack-sealed',
  'pack-registered',
  'blobs-registered',
  'skeleton-staged',
  'manifest-staged',
  'commit-next',
  'committed',
]

const root = fileDirectory()
let first: { zip: string; tar: string }
let second: { zip: string; tar: string }

beforeAll(async () => {
  first = await writeBodies('first', 1)
  second = await writeBodies('second', 2)
})

async function writeBodies(name: string, seed: number): Promise<{ zip: string; tar: string }> {
  const files = Array.from({ length: 40 }, (_, index) => ({
    name: `lib/file-${index}`,
    content: Buffer.from(
      createHash('sha512').update(`${seed}-${index}`).digest('hex').repeat(index),
    ),
  }))
  // One file is cut into chunks, one is shared by both uploads.
  files.push({
    name: 'large',
    content: Buffer.alloc(700_000, createHash('sha256').update(`${seed}`).digest()),
  })
  files.push({ name: 'shared', content: Buffer.from('shared by both') })
  const paths = { zip: join(root, `${name}.zip`), tar: join(root, `${name}.tar`) }
  await writeFile(paths.zip, buildZip({ members: files }))
  await writeFile(paths.tar, await tarOf(files))
  return paths
}

async function runChild(
  directory: string,
  upload: { form: string; body: string; name: string; step: string },
): Promise<{ killed: boolean; output: string }> {
  const argv = [child, directory, upload.form, upload.body, upload.name, upload.step]
  return await new Promise((resolve, reject) => {
    execFile(process.execPath, argv, (error, stdout, stderr) => {
      if (error === null) resolve({ killed: false, output: stdout })
      else if (error.signal === 'SIGKILL') resolve({ killed: true, output: stdout })
      else reject(new Error(stderr))
    })
  })
}

async function packFiles(directory: string): Promise<{ count: number; bytes: number }> {
  const { length: count } = await packPaths(join(directory, 'cas'))
  return { count, bytes: await diskBytes(directory) }
}

async function checkAfter(directory: string, form: 'zip' | 'tar', step: string): Promise<void> {
  await withStoreAt(directory, async (store) => {
    const { metadata } = store
    await recoverAt(directory, { ...store, now: () => Date.UTC(2026, 0, 2) })
    const { artifacts } = await metadata.listArtifacts(
      { state: 'any' },
      { limit: 10, offset: 0, sort: 'oldest', now: 0 },
    )
    expect(artifacts.map((artifact) => artifact.name)).toEqual(
      step === 'committed' ? ['first', 'second'] : ['first'],
    )
    for (const artifact of artifacts) {
      const zip = await readAll(await representZip(store, artifact))
      if (form === 'zip')
        expect(createHash('sha256').update(zip).digest('hex')).toBe(artifact.zipDigest)
      await readAll(await representTarGz(store, artifact))
    }
    // Only packs with rows are on disk, and they hold only what artifacts reference.
    const figures = await metadata.figures()
    expect(await packFiles(directory)).toEqual({ count: figures.packs, bytes: figures.storedBytes })
    expect(figures.artifacts).toBe(artifacts.length)
    const unsealed = await readdir(join(directory, 'cas', 'staging', 'packs')).catch(() => [])
    expect(unsealed).toEqual([])
    expect(await metadata.listSessions(Number.POSITIVE_INFINITY, 10)).toEqual([])
  })
}

describe.each(['zip', 'tar'] as const)('an upload of a %s', (form) => {
  test.each(steps.filter((step) => form === 'zip' || step !== 'skeleton-staged'))(
    'killed at %s',
    async (step) => {
      const directory = await mkdtemp(join(root, `${form}-`))
      await runChild(directory, { form, body: first[form], name: 'first', step: 'none' })
      const before = await packFiles(directory)
      const crashed = await runChild(directory, { form, body: second[form], name: 'second', step })
      expect(crashed.killed).toBe(true)
      await checkAfter(directory, form, step)
      if (step !== 'committed') {
        expect(await packFiles(directory)).toEqual(before)
        // The same upload works afterwards.
        const again = await runChild(directory, {
          form,
          body: second[form],
          name: 'second',
          step: 'none',
        })
        expect(again.killed).toBe(false)
        await checkAfter(directory, form, 'committed')
      }
    },
  )
})
