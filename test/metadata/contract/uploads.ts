import { expect, test } from 'vitest'
import { parseArtifactName } from '../../../src/core/artifact.ts'
import { digestOf } from '../../../src/core/bytes/digest.ts'
import type { Metadata } from '../../../src/metadata/metadata.ts'
import type { Store } from '../metadata-contract.ts'
import { seedArtifact, seedRun } from '../seed.ts'

type CreateUpload = Parameters<Metadata['createUpload']>[0]

let uploads = 0

function newUpload(runId: number, changes: Partial<CreateUpload> = {}): CreateUpload {
  uploads += 1
  return {
    id: `upload-${uploads}`,
    runId,
    job: 'build',
    name: parseArtifactName('dist'),
    mimeType: 'application/zip',
    requestedExpiresAt: 9_000,
    now: 1_000,
    takeoverMs: 500,
    onConflict: 'reject',
    ...changes,
  }
}

const list = { digest: digestOf('blocks'), contentType: 'application/zip', sizeBytes: 12 }

export function uploadsContract(store: Store): void {
  test('an upload is open until its block list fixes the bytes', async () => {
    const run = await seedRun(store())
    const wanted = newUpload(run.id)
    const { upload, replacedUploadIds } = await store().createUpload(wanted)
    expect(replacedUploadIds).toEqual([])
    expect(upload).toEqual({
      id: wanted.id,
      projectId: run.projectId,
      runId: run.id,
      job: 'build',
      name: 'dist',
      mimeType: 'application/zip',
      requestedExpiresAt: 9_000,
      state: 'open',
      blockListDigest: null,
      contentType: null,
      sizeBytes: null,
      artifactId: null,
      createdAt: 1_000,
    })
    expect(await store().findUpload(wanted.id)).toEqual(upload)

    await store().assembleUpload(wanted.id, list)
    expect(await store().findUpload(wanted.id)).toEqual({
      ...upload,
      state: 'assembled',
      blockListDigest: list.digest,
      contentType: list.contentType,
      sizeBytes: list.sizeBytes,
    })
  })

  test('repeating a block list succeeds; a different one is a conflict', async () => {
    const run = await seedRun(store())
    const { upload } = await store().createUpload(newUpload(run.id))
    await store().assembleUpload(upload.id, list)
    await store().assembleUpload(upload.id, list)
    const other = { ...list, digest: digestOf('other blocks') }
    await expect(store().assembleUpload(upload.id, other)).rejects.toMatchObject({
      code: 'block_list_conflict',
      details: { uploadId: upload.id },
    })
    await expect(store().assembleUpload('none', list)).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a run that does not exist accepts no uploads', async () => {
    await expect(store().createUpload(newUpload(99))).rejects.toMatchObject({ code: 'not_found' })
  })

  test('a job that starts over replaces its unfinished upload', async () => {
    const run = await seedRun(store())
    const { upload: first } = await store().createUpload(newUpload(run.id))
    const second = await store().createUpload(newUpload(run.id))
    expect(second.replacedUploadIds).toEqual([first.id])
    expect(await store().findUpload(first.id)).toBeUndefined()
    expect(await store().findUploadByName(run.id, 'build', 'dist')).toEqual(second.upload)
  })

  test('another job is refused until the unfinished upload is old', async () => {
    const run = await seedRun(store())
    const { upload: first } = await store().createUpload(newUpload(run.id, { now: 1_000 }))
    const soon = newUpload(run.id, { job: 'other', now: 1_500 })
    await expect(store().createUpload(soon)).rejects.toMatchObject({
      code: 'name_taken',
      details: { name: 'dist', artifactId: null },
    })
    const late = await store().createUpload(newUpload(run.id, { job: 'other', now: 1_501 }))
    expect(late.replacedUploadIds).toEqual([first.id])
  })

  test('uploads of other names and runs are independent', async () => {
    const [one, two] = [
      await seedRun(store(), { number: 1 }),
      await seedRun(store(), { number: 2 }),
    ]
    await store().createUpload(newUpload(one.id))
    const name = parseArtifactName('docs')
    const others = [newUpload(one.id, { job: 'other', name }), newUpload(two.id, { job: 'other' })]
    for (const other of others) {
      expect((await store().createUpload(other)).replacedUploadIds).toEqual([])
    }
  })

  test('a name held by an artifact is taken, unless it may be replaced', async () => {
    const run = await seedRun(store())
    const artifact = await seedArtifact(store(), run, { a: 'x' }, { expiresAt: 5_000 })
    await expect(store().createUpload(newUpload(run.id, { now: 4_999 }))).rejects.toMatchObject({
      code: 'name_taken',
      details: { name: 'dist', artifactId: artifact.id },
    })
    await store().createUpload(newUpload(run.id, { onConflict: 'replace' }))
    const own = newUpload(run.id, { onConflict: 'replace-own' })
    await store().createUpload(own)
    const foreign = { ...own, id: 'foreign', job: 'other' }
    const refused = { code: 'forbidden' }
    await expect(store().createUpload(foreign)).rejects.toMatchObject(refused)
  })

  test('an expired artifact holds no name', async () => {
    const run = await seedRun(store())
    await seedArtifact(store(), run, { a: 'x' }, { expiresAt: 5_000 })
    const { upload } = await store().createUpload(newUpload(run.id, { now: 5_000 }))
    expect(upload.state).toBe('open')
  })

  test('finished uploads are found by name and are neither stale nor live', async () => {
    const run = await seedRun(store())
    const other = newUpload(run.id, { name: parseArtifactName('docs') })
    await store().createUpload(other)
    const { upload: finished } = await store().createUpload(newUpload(run.id, { now: 1 }))
    await store().assembleUpload(finished.id, list)
    const artifact = await seedArtifact(store(), run, { a: 'x' }, { uploadId: finished.id })
    const found = await store().findUploadByName(run.id, 'build', 'dist')
    expect(found).toMatchObject({ id: finished.id, state: 'done', artifactId: artifact.id })
    expect(await store().listLiveUploads()).toEqual([other.id])
    expect(await store().listStaleUploads(Infinity, 10)).toEqual([other.id])
    expect(await store().removeUpload(finished.id)).toBe(false)
    expect(await store().findUpload(finished.id)).toMatchObject({ artifactId: artifact.id })
    expect(await store().findUpload(other.id)).toMatchObject({ state: 'open', artifactId: null })
  })

  test('all live uploads are listed; stale ones oldest first, up to the limit', async () => {
    const run = await seedRun(store())
    const ids: string[] = []
    for (const now of [30, 10, 20]) {
      const name = parseArtifactName(`n${now}`)
      const { upload } = await store().createUpload(newUpload(run.id, { now, name }))
      ids.push(upload.id)
    }
    await store().assembleUpload(ids[1]!, list)
    expect((await store().listLiveUploads()).toSorted()).toEqual(ids.toSorted())
    expect(await store().listStaleUploads(30, 10)).toEqual([ids[1], ids[2]])
    expect(await store().listStaleUploads(31, 1)).toEqual([ids[1]])
  })

  test('a removed upload is gone; removing it again is a no-op', async () => {
    const run = await seedRun(store())
    const { upload } = await store().createUpload(newUpload(run.id))
    expect(await store().removeUpload(upload.id)).toBe(true)
    expect(await store().removeUpload(upload.id)).toBe(false)
    expect(await store().findUpload(upload.id)).toBeUndefined()
    expect(await store().findUploadByName(run.id, 'build', 'dist')).toBeUndefined()
  })
}
