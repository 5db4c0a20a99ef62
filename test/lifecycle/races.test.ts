/** Two actors, one stopped at a named point while the other runs, in both orders. Goal: in any
 *  order, a committed artifact is complete, and nothing it needs was deleted. */
import { Readable } from 'node:stream'
import { unzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { limits } from '../../src/core/limits.ts'
import { representZip } from '../../src/egress/egress.ts'
import { ingest } from '../../src/ingest/ingest.ts'
import type { IngestJob } from '../../src/ingest/job.ts'
import type { IngestPorts } from '../../src/ingest/session.ts'
import { openStaging, type Staging } from '../../src/ingest/staging/staging.ts'
import { expire } from '../../src/lifecycle/collect/expire.ts'
import { dropStaleUploads } from '../../src/lifecycle/recovery/recover.ts'
import { removeDeadPacks, sweepBlobs } from '../../src/lifecycle/collect/sweep.ts'
import type { Artifact, Metadata, Upload } from '../../src/metadata/metadata.ts'
import { parseArtifactName } from '../../src/core/artifact.ts'
import { buildZip } from '../corpus/build-zip.ts'
import { tarOf } from '../http/archives-of.ts'
import { jobOf, openStore, readAll, stagedIn, type TestStore } from '../ingest/open-store.ts'
import { newArtifact } from '../metadata/seed.ts'
import { collectNow, day } from './collection.ts'
import { join } from 'node:path'

type StagedManifest = Awaited<ReturnType<Metadata['stageManifest']>>

const start = Date.UTC(2026, 0, 2)
const zip = buildZip({
  members: Array.from({ length: 12 }, (_, index) => ({
    name: `file-${index}`,
    content: Buffer.alloc(5000 + index, `content ${index} `),
  })),
})

interface Pause {
  checkpoint(step: string): Promise<void>
  /** Resolves when the step is reached. */
  reached: Promise<void>
  go(): void
}

/** Stops whoever first reaches `step`, until `go` is called. */
function pauseAt(step: string): Pause {
  let arrive = (): void => {}
  let go = (): void => {}
  const reached = new Promise<void>((resolve) => {
    arrive = resolve
  })
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  return {
    reached,
    go: () => {
      go()
    },
    checkpoint: async (name) => {
      if (name !== step) return
      arrive()
      await gate
    },
  }
}

async function upload(
  store: TestStore,
  name: string,
  checkpoint?: IngestPorts['checkpoint'],
  more: Partial<IngestJob> = {},
): Promise<Artifact> {
  const staged = await stagedIn(store.directory, zip)
  const job = { ...jobOf(store.run, name, 'zip', start), staged, ...more }
  return (await ingest({ ...store.ports, checkpoint }, job, {})).artifact
}

async function remove(store: TestStore, { id }: Artifact): Promise<void> {
  await store.metadata.removeArtifacts([id], { state: 'deleted', reason: 'deleted', now: start })
}

async function sweepAll(
  store: TestStore,
  checkpoint?: (step: string) => Promise<void>,
): Promise<void> {
  const ports = { ...store.ports, checkpoint }
  await sweepBlobs(ports)
  await removeDeadPacks(ports, 0)
}

async function expectWhole(store: TestStore, artifact: Artifact): Promise<void> {
  await collectNow(store.ports)
  const found = (await store.metadata.findArtifact(artifact.id))!
  expect(found.state).toBe('available')
  expect(digestOf(await readAll(await representZip(store.reader, found)))).toBe(digestOf(zip))
}

describe('an upload of content that is being swept', () => {
  test.each([
    'session-opened',
    'pack-filled',
    'pack-sealed',
    'pack-registered',
    'blobs-registered',
    'manifest-staged',
    'skeleton-staged',
    'commit-next',
  ])('survives a sweep while it is stopped at %s', async (step) => {
    const store = await openStore()
    await remove(store, await upload(store, 'old'))
    const pause = pauseAt(step)
    const uploading = upload(store, 'new', pause.checkpoint)
    // An upload of known content makes no pack, so it never reaches some steps.
    await Promise.race([pause.reached, uploading])
    await sweepAll(store)
    pause.go()
    await expectWhole(store, await uploading)
  })

  test.each(['blobs-claimed', 'blobs-removed', 'pack-claimed', 'pack-removed'])(
    'succeeds while the sweep is stopped at %s',
    async (step) => {
      const store = await openStore()
      await remove(store, await upload(store, 'old'))
      const pause = pauseAt(step)
      const sweeping = sweepAll(store, pause.checkpoint)
      await pause.reached
      const artifact = await upload(store, 'new')
      pause.go()
      await sweeping
      await expectWhole(store, artifact)
    },
  )

  test('cannot claim a blob that sweep has condemned but not yet removed', async () => {
    const store = await openStore()
    const content = Buffer.alloc(1000, 'x')
    const { artifact } = await store.put('old', 'file', content)
    await remove(store, artifact)
    const dead = await store.metadata.claimDeadBlobs(start, 10)
    expect(dead).toHaveLength(1)
    const session = { projectId: store.run.projectId, now: start, leaseMs: limits.leaseMs }
    const id = await store.metadata.openSession(session)
    expect(await store.metadata.claimBlobs(id, [digestOf(content)])).toEqual([])
  })

  test('keeps the blob from sweep when it claims it first', async () => {
    const store = await openStore()
    const content = Buffer.alloc(1000, 'x')
    const { artifact } = await store.put('old', 'file', content)
    const session = { projectId: store.run.projectId, now: start, leaseMs: limits.leaseMs }
    const id = await store.metadata.openSession(session)
    expect(await store.metadata.claimBlobs(id, [digestOf(content)])).toHaveLength(1)
    await remove(store, artifact)
    expect(await store.metadata.claimDeadBlobs(start, 10)).toEqual([])
    await store.metadata.abortSession(id)
    expect(await store.metadata.claimDeadBlobs(start, 10)).toHaveLength(1)
  })
})

describe('an offer of a tree whose only artifact is removed', () => {
  const files = [
    { name: 'a', content: 'alpha '.repeat(900) },
    { name: 'b', content: 'beta '.repeat(900) },
  ]

  async function offerOf(
    store: TestStore,
  ): Promise<{ artifact: Artifact; sessionId: string; stage(): Promise<StagedManifest> }> {
    const { artifact } = await store.put('old', 'tar', Readable.from([await tarOf(files)]))
    const { metadata, run } = store
    const known = await metadata.findKnownTree(run.projectId, artifact.treeDigest, start)
    expect(known?.artifacts).toMatchObject([{ id: artifact.id }])
    const { sessionId } = await metadata.openOfferSession({
      projectId: run.projectId,
      offer: digestOf('offer'),
      now: start,
      leaseMs: limits.leaseMs,
    })
    const { treeDigest } = artifact
    const summary = { treeDigest, entryCount: 0, fileCount: 0, logicalBytes: 0 }
    return {
      artifact,
      sessionId,
      stage: async () => await metadata.stageManifest(sessionId, summary),
    }
  }

  test('before the lease finds it unknown, so everything is sent', async () => {
    const store = await openStore()
    const { artifact, stage } = await offerOf(store)
    await remove(store, artifact)
    await sweepAll(store)
    expect(await stage()).toMatchObject({ exists: false })
  })

  test('after the lease commits it whole, and sweep deletes it once that artifact is removed too', async () => {
    const store = await openStore()
    const { artifact, sessionId, stage } = await offerOf(store)
    const { manifestId, exists } = await stage()
    expect(exists).toBe(true)
    await remove(store, artifact)
    await sweepAll(store)
    const { zipBytes, tarGzBytes } = artifact
    const times = { createdAt: start, now: start, expiresAt: start + 90 * day }
    const { artifact: made } = await store.metadata.commitArtifact(
      sessionId,
      newArtifact(store.run, manifestId, { name: 'new', zipBytes, tarGzBytes, ...times }),
    )
    await collectNow(store.ports)
    const zipped = await readAll(await representZip(store.reader, made))
    const contents = Object.entries(unzipSync(zipped)).map(([name, bytes]) => ({
      name,
      content: Buffer.from(bytes).toString(),
    }))
    expect(contents).toEqual(files)
    await remove(store, made)
    await collectNow(store.ports)
    expect(await store.packBytes()).toBe(0)
  })
})

describe('a download and a compaction', () => {
  const others = buildZip({
    members: [{ name: 'other', content: Buffer.alloc(200_000, Buffer.from(digestOf('other'))) }],
  })

  /** A store with an artifact in a pack that is mostly dead. */
  async function wastefulStore(): Promise<{
    store: TestStore
    artifact: Artifact
    dead: Artifact
  }> {
    const store = await openStore()
    const { artifact: dead } = await store.put(
      'both',
      'zip',
      buildZip({
        members: [
          { name: 'file-0', content: Buffer.alloc(5000, 'content 0 ') },
          {
            name: 'noise',
            content: Buffer.from(Array.from({ length: 6000 }, (_, i) => digestOf(`${i}`)).join('')),
          },
        ],
      }),
    )
    const artifact = await upload(store, 'kept')
    await store.put('more', 'zip', others)
    return { store, artifact, dead }
  }

  test.each(['compact-filled', 'compact-sealed', 'compact-moved', 'pack-claimed'])(
    'a reader that began before %s reads to its end',
    async (step) => {
      const { store, artifact, dead } = await wastefulStore()
      await remove(store, dead)
      const pause = pauseAt(step)
      const { leases } = await store.metadata.openReadLeases([artifact.id], start, day)
      const found = (await store.metadata.findArtifact(artifact.id))!
      const representation = await representZip(store.reader, found)
      const chunks = representation.read(0, representation.totalBytes)[Symbol.asyncIterator]()
      const collecting = collectNow({ ...store.ports, checkpoint: pause.checkpoint })
      await Promise.race([pause.reached, collecting])
      const first = await chunks.next()
      pause.go()
      const { waitingPacks } = await collecting
      expect(waitingPacks).not.toEqual([])
      const pieces = first.done === true ? [] : [first.value]
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
        pieces.push(next.value)
      }
      expect(digestOf(Buffer.concat(pieces))).toBe(digestOf(zip))
      await store.metadata.closeReadLeases(leases)
      await expectWhole(store, artifact)
    },
  )

  test('a copy that dies while it is being moved stays dead, and one that is healed meanwhile stays where it is', async () => {
    const { store, artifact, dead } = await wastefulStore()
    await remove(store, dead)
    const pause = pauseAt('compact-sealed')
    const collecting = collectNow({ ...store.ports, checkpoint: pause.checkpoint })
    await pause.reached
    await remove(store, artifact)
    await sweepBlobs(store.ports)
    pause.go()
    await collecting
    await collectNow(store.ports)
    const figures = await store.metadata.figures()
    expect(figures.storedBytes).toBe(await store.packBytes())
    expect(figures.artifacts).toBe(1)
  })
})

describe('two at once', () => {
  test.each(['blobs-registered', 'manifest-staged', 'skeleton-staged', 'commit-next'])(
    'two equal uploads, the first stopped at %s',
    async (step) => {
      const store = await openStore()
      const pause = pauseAt(step)
      const first = upload(store, 'first', pause.checkpoint)
      await pause.reached
      const second = await upload(store, 'second')
      pause.go()
      const artifacts = [await first, second]
      for (const artifact of artifacts) await expectWhole(store, artifact)
      await remove(store, artifacts[0]!)
      await expectWhole(store, artifacts[1]!)
      await remove(store, artifacts[1]!)
      await collectNow(store.ports)
      expect(await store.packBytes()).toBe(0)
    },
  )

  test.each(['blobs-claimed', 'blobs-removed', 'pack-claimed', 'pack-removed', 'pack-row-removed'])(
    'two sweeps, the first stopped at %s',
    async (step) => {
      const store = await openStore()
      await remove(store, await upload(store, 'old'))
      const kept = await upload(store, 'kept')
      await remove(store, (await store.put('gone', 'file', Buffer.alloc(9000, 'gone'))).artifact)
      const pause = pauseAt(step)
      const first = sweepAll(store, pause.checkpoint)
      await pause.reached
      await sweepAll(store)
      pause.go()
      await first
      await expectWhole(store, kept)
      expect((await store.metadata.figures()).storedBytes).toBe(await store.packBytes())
    },
  )

  test('two expiries count each artifact once', async () => {
    const store = await openStore()
    for (const name of ['a', 'b', 'c']) await upload(store, name)
    const ports = { ...store.ports, now: () => start + 91 * day }
    const counts = [0, 0]
    await Promise.all(
      counts.map(async (_, at) => await expire(ports, (expired) => (counts[at] = expired))),
    )
    expect(counts[0]! + counts[1]!).toBe(3)
  })
})

describe('an upload that is dropped because it is too old', () => {
  /** An upload whose bytes are complete; `finalize` turns them into an artifact. */
  const assembled = async (
    store: TestStore,
  ): Promise<{
    staging: Staging
    find(): Promise<Upload | undefined>
    finalize(checkpoint?: IngestPorts['checkpoint']): Promise<Artifact>
  }> => {
    const root = join(store.directory, 'uploads')
    const staging = await openStaging(root, { uploadBytesMax: 2 ** 30 })
    const { upload: opened } = await store.metadata.createUpload({
      id: '0'.repeat(32),
      runId: store.run.id,
      job: 'build',
      name: parseArtifactName('stock'),
      mimeType: null,
      requestedExpiresAt: null,
      now: start,
      takeoverMs: 0,
      onConflict: 'reject',
    })
    await staging.openUpload(opened.id)
    const whole = await staging.writeWhole(opened.id, Readable.from([zip]))
    await store.metadata.assembleUpload(opened.id, { ...whole, contentType: null })
    const staged = await staging.readAssembled(opened.id, whole.digest)
    return {
      staging,
      find: async () => await store.metadata.findUpload(opened.id),
      finalize: async (checkpoint) =>
        await upload(store, 'stock', checkpoint, { uploadId: opened.id, staged }),
    }
  }
  const later = (store: TestStore, staging: Staging): Parameters<typeof dropStaleUploads>[0] => ({
    ...store.ports,
    staging,
    now: () => start + limits.uploadLifeMs + 1,
  })

  test.each(['session-opened', 'blobs-registered', 'commit-next'])(
    'fails and makes no artifact while it is stopped at %s',
    async (step) => {
      const store = await openStore()
      const { staging, find, finalize } = await assembled(store)
      const pause = pauseAt(step)
      const finalizing = finalize(pause.checkpoint)
      await pause.reached
      expect(await dropStaleUploads(later(store, staging))).toBe(1)
      pause.go()
      await expect(finalizing).rejects.toMatchObject({ code: 'not_found' })
      expect(await find()).toBeUndefined()
      expect(await staging.listUploads()).toEqual([])
      expect((await store.metadata.figures()).artifacts).toBe(0)
    },
  )

  test('keeps its artifact when that was committed first', async () => {
    const store = await openStore()
    const { staging, find, finalize } = await assembled(store)
    const ports = later(store, staging)
    const artifacts: Artifact[] = []
    const metadata: Metadata = {
      ...store.metadata,
      listStaleUploads: async (...args) => {
        const stale = await store.metadata.listStaleUploads(...args)
        if (stale.length > 0) artifacts.push(await finalize())
        return stale
      },
    }
    expect(await dropStaleUploads({ ...ports, metadata })).toBe(0)
    expect(await find()).toMatchObject({ state: 'done', artifactId: artifacts[0]?.id })
  })
})
