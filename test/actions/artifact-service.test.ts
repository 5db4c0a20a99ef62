/** The artifact service beyond the protocol rules: names, conflicts, re-runs, retention,
 *  Finalize, permissions. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { dayMs } from '../../src/core/units.ts'
import { whileDiskRefuses } from '../refusing-disk.ts'
import { zipOf } from './archives.ts'
import { openRig, putBlock, putBlockList, putBlocks, type Rig } from './rig.ts'

let rig: Rig
let runs = 100

beforeAll(async () => {
  rig = await openRig()
  return rig.close
})

/** Each test has a run of its own. */
function freshRun(): { run: number } {
  runs += 1
  return { run: runs }
}

async function stagingDirs(of: Rig): Promise<string[]> {
  return await readdir(join(of.dataDir, 'cas/staging/uploads'))
}

test('a zip is returned byte for byte and listed with its digest and size, and staging is left empty', async () => {
  const job = await rig.as(freshRun())
  const bytes = zipOf({ 'a.txt': 'hello', 'dir/b.txt': 'world' })
  const before = await stagingDirs(rig)
  const id = await job.upload('site', bytes)
  const [item] = await job.list()
  expect(item).toMatchObject({ name: 'site', database_id: String(id), size: String(bytes.length) })
  const response = await fetch(await job.signedUrl(item!))
  expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes)
  expect(await stagingDirs(rig)).toEqual(before)
})

test('a taken name is 409 with the known message, for every job of the attempt', async () => {
  const run = freshRun()
  const build = await rig.as(run)
  await build.upload('site', zipOf({ a: '1' }))
  for (const caller of [build, await rig.as({ ...run, job: 'test' })]) {
    expect(await caller.twirp('CreateArtifact', { name: 'site', version: 4 })).toEqual({
      status: 409,
      body: {
        code: 'already_exists',
        msg: 'an artifact with this name already exists on the workflow run',
      },
    })
  }
})

test('another attempt may use the same name; reads see both and prefer the newest', async () => {
  const run = freshRun()
  const first = await rig.as(run)
  const firstId = await first.upload('site', zipOf({ a: 'first' }))
  const second = await rig.as({ ...run, attempt: 2 })
  const secondId = await second.upload('site', zipOf({ a: 'second' }))
  const items = await second.list({ name_filter: 'site' })
  expect(items.map((item) => Number(item['database_id']))).toEqual([secondId, firstId])
  // Both have the same name; only the handle in the job id distinguishes them.
  const urls = await Promise.all(items.map((item) => second.signedUrl(item)))
  expect(urls.map((url) => new URL(url).pathname)).toEqual([
    `/artifacts/download/${secondId}/artifact.zip`,
    `/artifacts/download/${firstId}/artifact.zip`,
  ])
  const newest = await second.twirp('GetSignedArtifactURL', { name: 'site' })
  expect(String(newest.body['signed_url'])).toContain(`/${secondId}/`)
})

test('overwriting is list, delete, create; the deleted artifact disappears from every view', async () => {
  const job = await rig.as(freshRun())
  const oldId = await job.upload('site', zipOf({ a: 'old' }))
  const [item] = await job.list({ name_filter: 'site' })
  const url = await job.signedUrl(item!)
  expect(await job.twirp('DeleteArtifact', { ...item })).toEqual({
    status: 200,
    body: { ok: true, artifact_id: String(oldId) },
  })
  expect(await job.list()).toEqual([])
  expect((await fetch(url)).status).toBe(410)
  expect((await job.twirp('DeleteArtifact', { ...item })).status).toBe(404)
  const newId = await job.upload('site', zipOf({ a: 'new' }))
  expect(newId).toBeGreaterThan(oldId)
})

test('with the policy replace, a second upload supersedes the first when finalized, not before', async () => {
  const replacing = await openRig({ environment: { TROVE_ON_CONFLICT: 'replace' } })
  try {
    const job = await replacing.as()
    const oldId = await job.upload('site', zipOf({ a: 'old' }))
    const bytes = zipOf({ a: 'new' })
    await putBlocks(await job.create('site'), [['YQ==', bytes]])
    expect((await job.list()).map((item) => Number(item['database_id']))).toEqual([oldId])
    expect((await job.finalize('site', bytes)).status).toBe(200)
    const ids = (await job.list()).map((item) => Number(item['database_id']))
    expect(ids).toHaveLength(1)
    expect(ids[0]).toBeGreaterThan(oldId)
  } finally {
    await replacing.close()
  }
})

test('an unfinished upload is replaced by its own job at once and by another job after a while', async () => {
  const run = freshRun()
  const build = await rig.as(run)
  const abandoned = await build.create('site')
  const current = await build.create('site')
  const late = await putBlock(abandoned, 'YQ==', Buffer.from('x'))
  expect(late.status).toBe(404)
  expect(await late.text()).toContain('<Code>BlobNotFound</Code>')
  expect((await putBlock(current, 'YQ==', Buffer.from('x'))).status).toBe(201)
  const other = await rig.as({ ...run, job: 'test' })
  expect((await other.twirp('CreateArtifact', { name: 'site' })).status).toBe(409)
  rig.advance(2 * 60 * 60 * 1000)
  const again = await rig.as({ ...run, job: 'test' })
  expect((await again.twirp('CreateArtifact', { name: 'site' })).status).toBe(200)
})

test('Finalize is idempotent: repeated at once, concurrently, and much later', async () => {
  const job = await rig.as(freshRun())
  const bytes = zipOf({ a: 'x', b: 'y' })
  await putBlocks(await job.create('site'), [['YQ==', bytes]])
  const answers = await Promise.all(Array.from({ length: 8 }, () => job.finalize('site', bytes)))
  expect(new Set(answers.map(({ status, body }) => `${status} ${JSON.stringify(body)}`)).size).toBe(
    1,
  )
  expect(answers[0]?.status).toBe(200)
  expect(await job.finalize('site', bytes)).toEqual(answers[0])
  expect(await job.list()).toHaveLength(1)
})

test('a repeated Finalize that waits applies to its own upload, even if another starts under the name meanwhile', async () => {
  let reach: () => void = () => undefined
  let release: () => void = () => undefined
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const held = await openRig({
    environment: { TROVE_ON_CONFLICT: 'replace' },
    checkpoint: async (step) => {
      if (step !== 'finalized') return
      reach()
      await released
    },
  })
  try {
    const job = await held.as()
    const bytes = zipOf({ a: 'first' })
    await putBlocks(await job.create('site'), [['YQ==', bytes]])
    const first = job.finalize('site', bytes)
    await reached
    const repeated = job.finalize('site', bytes)
    // Once another request of the same kind has been answered, it has found the upload.
    expect((await job.finalize('other', bytes)).status).toBe(404)
    const next = zipOf({ a: 'a longer second' })
    await putBlocks(await job.create('site'), [['YQ==', next]])
    release()
    expect(await repeated).toEqual(await first)
    expect((await job.finalize('site', next)).status).toBe(200)
  } finally {
    await held.close()
  }
})

test('a Finalize with another length or hash is 400 with both values, before and after the artifact exists', async () => {
  const job = await rig.as(freshRun())
  const bytes = zipOf({ a: 'x' })
  const other = Buffer.concat([bytes, Buffer.from('!')])
  const changed = Buffer.from(bytes)
  changed[0] = 0
  await putBlocks(await job.create('site'), [['YQ==', bytes]])
  const check = async (): Promise<void> => {
    const length = await job.finalize('site', other)
    expect(length.status).toBe(400)
    expect(length.body['msg']).toMatch(new RegExp(`${other.length}.*${bytes.length}`))
    const hash = await job.finalize('site', changed)
    expect(hash.status).toBe(400)
    expect(String(hash.body['msg']).match(/[0-9a-f]{64}/g)).toHaveLength(2)
  }
  await check()
  expect(await job.list()).toEqual([])
  expect((await job.finalize('site', bytes)).status).toBe(200)
  await check()
  expect(await job.list()).toHaveLength(1)
})

test('Finalize without a block list, or without an upload, reports that', async () => {
  const job = await rig.as(freshRun())
  const target = await job.create('site')
  await putBlock(target, 'YQ==', Buffer.from('x'))
  const early = await job.finalize('site', Buffer.from('x'))
  expect(early.status).toBe(400)
  expect(early.body['msg']).toContain('block list')
  expect((await job.finalize('nothing', Buffer.from('x'))).status).toBe(404)
})

test('a truncated zip is rejected and nothing of it becomes visible', async () => {
  const job = await rig.as(freshRun())
  const bytes = zipOf({ a: 'x'.repeat(500), b: 'y' }).subarray(0, -30)
  await putBlocks(await job.create('site', { mime_type: 'application/zip' }), [['YQ==', bytes]])
  const answer = await job.finalize('site', bytes)
  expect(answer.status).toBe(400)
  expect(await job.list()).toEqual([])
})

test('rejected uploads are removed from staging at the next start, valid ones in progress are kept', async () => {
  const first = await openRig()
  const job = await first.as()
  const bytes = zipOf({ a: 'x' })
  await putBlocks(await job.create('refused'), [['YQ==', bytes]])
  expect((await job.finalize('refused', Buffer.from('other'))).status).toBe(400)
  await putBlocks(await job.create('good'), [['YQ==', bytes]])
  await first.stop()
  const second = await openRig({ dataDir: first.dataDir })
  try {
    expect(await stagingDirs(second)).toHaveLength(1)
    const again = await second.as()
    expect((await again.finalize('good', bytes)).status).toBe(200)
    expect(await stagingDirs(second)).toEqual([])
  } finally {
    await second.close()
  }
})

test('an upload that the disk refused to finish can be finished after a restart', async () => {
  const first = await openRig()
  const job = await first.as()
  const bytes = zipOf({ a: 'x' })
  await putBlocks(await job.create('site'), [['YQ==', bytes]])
  await whileDiskRefuses(async () => {
    expect((await job.finalize('site', bytes)).status).toBe(503)
  })
  await first.stop()
  const second = await openRig({ dataDir: first.dataDir })
  try {
    expect((await (await second.as()).finalize('site', bytes)).status).toBe(200)
  } finally {
    await second.close()
  }
})

test('the expiry that a client requests is clamped to the bounds, and an expired artifact is gone', async () => {
  const timed = await openRig({ environment: { TROVE_RETENTION_MAX_DAYS: '100' } })
  try {
    const job = await timed.as({ expiresInSeconds: 86_400 * 365 })
    const at = (ms: number): string => new Date(Date.now() + ms).toISOString()
    await job.upload('past', zipOf({ a: '1' }), { expires_at: at(-dayMs) })
    await job.upload('far', zipOf({ a: '2' }), { expires_at: at(1000 * dayMs) })
    await job.upload('default', zipOf({ a: '3' }))
    const names = async (): Promise<string[]> =>
      (await job.list()).map((item) => String(item['name'])).sort()
    const [far] = await job.list({ name_filter: 'far' })
    expect(await names()).toEqual(['default', 'far', 'past'])
    timed.advance(61 * 60 * 1000)
    expect(await names()).toEqual(['default', 'far'])
    timed.advance(90 * dayMs)
    expect(await names()).toEqual(['far'])
    const url = await job.signedUrl(far!)
    timed.advance(10 * dayMs)
    expect(await names()).toEqual([])
    expect((await fetch(url)).status).toBe(403)
  } finally {
    await timed.close()
  }
})

test('a list covers the whole run and nothing else, and its filters take effect', async () => {
  const run = freshRun()
  const build = await rig.as(run)
  const id = await build.upload('one', zipOf({ a: '1' }))
  await (await rig.as({ ...run, job: 'test' })).upload('two', zipOf({ a: '2' }))
  await (await rig.as(freshRun())).upload('one', zipOf({ a: '3' }))
  await (await rig.as({ ...run, project: 'octo/other' })).upload('one', zipOf({ a: '4' }))
  const names = async (filter: object): Promise<unknown[]> =>
    (await build.list(filter)).map((item) => item['name'])
  expect(new Set(await names({}))).toEqual(new Set(['one', 'two']))
  expect(await names({ name_filter: 'one' })).toEqual(['one'])
  expect(await names({ name_filter: 'on' })).toEqual([])
  expect(await names({ id_filter: String(id) })).toEqual(['one'])
  expect(await names({ id_filter: id })).toEqual(['one'])
  expect(await names({ id_filter: '999999' })).toEqual([])
})

test('an id of another run, as filter or as handle, finds nothing', async () => {
  const mine = await rig.as(freshRun())
  const theirs = await rig.as({ ...freshRun(), project: 'octo/other' })
  const id = await theirs.upload('secret', zipOf({ a: '1' }))
  expect(await mine.list({ id_filter: String(id) })).toEqual([])
  const message = { workflow_job_run_backend_id: `@${id}`, name: 'secret' }
  for (const method of ['GetSignedArtifactURL', 'DeleteArtifact']) {
    expect((await mine.twirp(method, message)).status).toBe(404)
  }
  expect(await theirs.list()).toHaveLength(1)
})

test("messages that name a run or job other than the token's are forbidden", async () => {
  const job = await rig.as(freshRun())
  const foreignRun = { workflow_run_backend_id: '99', name: 'x' }
  const foreignJob = { workflow_job_run_backend_id: 'test', name: 'x' }
  for (const method of [
    'CreateArtifact',
    'FinalizeArtifact',
    'ListArtifacts',
    'GetSignedArtifactURL',
    'DeleteArtifact',
  ]) {
    expect((await job.twirp(method, foreignRun)).status).toBe(403)
  }
  for (const method of ['CreateArtifact', 'FinalizeArtifact']) {
    expect((await job.twirp(method, foreignJob)).status).toBe(403)
  }
})

test('a read-only token can list and download, but neither upload nor delete', async () => {
  const run = freshRun()
  await (await rig.as(run)).upload('site', zipOf({ a: '1' }))
  const reader = await rig.as({ ...run, scope: 'read' })
  const [item] = await reader.list()
  expect((await fetch(await reader.signedUrl(item!))).status).toBe(200)
  expect((await reader.twirp('CreateArtifact', { name: 'more' })).status).toBe(403)
  expect((await reader.twirp('DeleteArtifact', { ...item })).status).toBe(403)
})

test('a block list that differs from the accepted one is rejected, the same list again is accepted', async () => {
  const job = await rig.as(freshRun())
  const bytes = zipOf({ a: 'x' })
  const target = await job.create('site')
  await putBlocks(target, [['YQ==', bytes]])
  await putBlock(target, 'Yg==', Buffer.from('late'))
  expect((await putBlockList(target, ['YQ=='])).status).toBe(201)
  expect((await putBlockList(target, [])).status).toBe(409)
  await job.finalize('site', bytes)
  expect((await putBlockList(target, ['YQ=='])).status).toBe(201)
  expect((await putBlockList(target, ['Yg=='])).status).toBe(409)
  expect((await putBlock(target, 'YQ==', Buffer.from('very late'))).status).toBe(201)
  const [item] = await job.list()
  const downloaded = await fetch(await job.signedUrl(item!))
  expect(Buffer.from(await downloaded.arrayBuffer())).toEqual(bytes)
})

test('an unknown block in the list is 400 with its id', async () => {
  const job = await rig.as(freshRun())
  const target = await job.create('site')
  await putBlock(target, 'YQ==', Buffer.from('x'))
  const response = await putBlockList(target, ['YQ==', 'Yg=='])
  expect(response.status).toBe(400)
  expect(await response.text()).toMatch(/<Code>InvalidBlockList<\/Code><Message>.*Yg==/)
})

test('signed URLs are valid only for their upload, until their second, and unmodified', async () => {
  const job = await rig.as(freshRun())
  const target = new URL(await job.create('one'))
  const other = new URL(await job.create('two'))
  const put = async (url: URL): Promise<string> => {
    const response = await putBlock(url.href, 'YQ==', Buffer.from('x'))
    return `${response.status} ${/<Message>(.*)<\/Message>/.exec(await response.text())?.[1] ?? ''}`
  }
  const changed = new URL(target)
  changed.pathname = other.pathname
  expect(await put(changed)).toContain('403 the signature of the URL is wrong')
  const later = new URL(target)
  later.searchParams.set('se', '9999999999')
  expect(await put(later)).toContain('403 the signature of the URL is wrong')
  const unsigned = new URL(target)
  unsigned.searchParams.delete('sig')
  expect(await put(unsigned)).toContain('403 the URL is not signed')
  expect(await put(target)).toBe('201 ')
  rig.advance(25 * 60 * 60 * 1000)
  expect(await put(target)).toContain('403 the signed URL expired at')
})

test('secrets in URLs are not logged', async () => {
  const job = await rig.as(freshRun())
  const sig = new URL(await job.create('one')).searchParams.get('sig') ?? ''
  await putBlock(await job.create('two'), 'YQ==', Buffer.from('x'))
  expect(rig.logLines.some((line) => line.includes('/blob/artifacts/'))).toBe(true)
  expect(rig.logLines.filter((line) => line.includes('sig=') || line.includes(sig))).toEqual([])
})
