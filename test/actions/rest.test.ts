/** GitHub's REST subset: the fields that its clients and `gh` read, and permissions. */
import SqliteDatabase from 'better-sqlite3'
import { unzipSync } from 'fflate'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { dayMs } from '../../src/core/units.ts'
import { noise, zipOf } from './archives.ts'
import { openRig, putBlocks, type Rig } from './rig.ts'

let rig: Rig
let runs = 500

beforeAll(async () => {
  rig = await openRig()
  return rig.close
})

interface Listed {
  total_count: number
  artifacts: { id: number; name: string; expired: boolean; archive_download_url: string }[]
}

async function listOf(response: Response): Promise<Listed> {
  expect(response.status).toBe(200)
  return (await response.json()) as Listed
}

test('a run is listed newest first, in pages that link to each other', async () => {
  const run = { run: (runs += 1) }
  const job = await rig.as(run)
  const ids: number[] = []
  for (let at = 0; at < 5; at += 1) ids.push(await job.upload(`part ${at}`, zipOf({ a: `${at}` })))
  const seen: number[] = []
  let path: string | undefined = `/repos/octo/demo/actions/runs/${run.run}/artifacts?per_page=2`
  while (path !== undefined) {
    const response: Response = await job.rest(path)
    const next: string | undefined = /<([^>]+)>; rel="next"/.exec(
      response.headers.get('link') ?? '',
    )?.[1]
    const page = await listOf(response)
    expect(page.total_count).toBe(5)
    seen.push(...page.artifacts.map(({ id }) => id))
    expect(next?.startsWith(rig.url) ?? true).toBe(true)
    path = next?.slice(rig.url.length)
  }
  expect(seen).toEqual(ids.toReversed())
  const oldestFirst = await listOf(
    await job.rest(`/repos/octo/demo/actions/runs/${run.run}/artifacts?direction=asc`),
  )
  expect(oldestFirst.artifacts.map(({ id }) => id)).toEqual(ids)
  const named = await listOf(
    await job.rest(`/repos/octo/demo/actions/runs/${run.run}/artifacts?name=part%203`),
  )
  expect(named.artifacts.map(({ name }) => name)).toEqual(['part 3'])
})

// Goal: a page costs the same wherever it is, and a script that deletes what it lists reaches all.
test('the list of a project continues by id, so that deletions between its pages make it skip none', async () => {
  const project = 'octo/paged'
  const ids: number[] = []
  for (let at = 0; at < 5; at += 1) {
    const job = await rig.as({ project, run: (runs += 1) })
    ids.push(await job.upload('dist', zipOf({ a: `${at}` })))
  }
  const writer = await rig.as({ project, run: (runs += 1), scope: 'write' })
  const seen: number[] = []
  let path: string | undefined = `/repos/${project}/actions/artifacts?per_page=2&name=dist`
  while (path !== undefined) {
    const response: Response = await writer.rest(path)
    const page = await listOf(response)
    expect(page.total_count).toBe(5 - seen.length)
    for (const { id } of page.artifacts) {
      const deletion = await writer.rest(`/repos/${project}/actions/artifacts/${id}`, {
        method: 'DELETE',
      })
      expect(deletion.status).toBe(204)
      seen.push(id)
    }
    const link = response.headers.get('link') ?? ''
    const next: string | undefined = /<([^>]+)>; rel="next"/.exec(link)?.[1]
    if (next !== undefined) expect(next).toContain(`before=${seen.at(-1)}`)
    expect(link.match(/before=/g)?.length ?? 0).toBe(next === undefined ? 0 : 1)
    path = next?.slice(rig.url.length)
  }
  expect(seen).toEqual(ids.toReversed())
})

test('a project without uploads has an empty list, for callers who may read it', async () => {
  const reader = await rig.as({ project: 'octo/fresh' })
  for (const list of ['artifacts', 'runs/1/artifacts']) {
    const path = `/repos/octo/fresh/actions/${list}`
    expect(await listOf(await reader.rest(path))).toEqual({ total_count: 0, artifacts: [] })
    expect((await (await rig.as()).rest(path)).status).toBe(404)
  }
})

test('one artifact has the fields that clients read, with links below the base path of the request', async () => {
  const run = { run: (runs += 1) }
  const bytes = zipOf({ a: 'x' })
  const job = await rig.as({ ...run, branch: 'main', sha: 'c'.repeat(40) })
  const id = await job.upload('site', bytes)
  for (const base of ['', '/api/v3']) {
    const response = await job.rest(`${base}/repos/octo/demo/actions/artifacts/${id}`)
    expect(await response.json()).toMatchObject({
      id,
      name: 'site',
      size_in_bytes: bytes.length,
      expired: false,
      archive_download_url: `${rig.url}${base}/repos/octo/demo/actions/artifacts/${id}/zip`,
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      workflow_run: { id: run.run, head_branch: 'main', head_sha: 'c'.repeat(40) },
    })
  }
})

test('deleting returns 204 once; the artifact disappears from lists and its zip is 410', async () => {
  const run = { run: (runs += 1) }
  const job = await rig.as(run)
  const path = `/repos/octo/demo/actions/artifacts/${await job.upload('site', zipOf({ a: 'x' }))}`
  expect((await job.rest(path, { method: 'DELETE' })).status).toBe(204)
  expect((await job.rest(path, { method: 'DELETE' })).status).toBe(404)
  expect((await job.rest(`${path}/zip`)).status).toBe(410)
  expect(await (await job.rest(path)).json()).toMatchObject({ expired: true })
  const list = await listOf(await job.rest(`/repos/octo/demo/actions/runs/${run.run}/artifacts`))
  expect(list).toEqual({ total_count: 0, artifacts: [] })
})

test('an expired artifact is marked in its run, and its zip has the known message', async () => {
  const timed = await openRig({ environment: { TROVE_RETENTION_DAYS: '1' } })
  try {
    const job = await timed.as({ expiresInSeconds: 86_400 * 10 })
    const id = await job.upload('site', zipOf({ a: 'x' }))
    timed.advance(2 * dayMs)
    const list = await listOf(await job.rest('/repos/octo/demo/actions/runs/1/artifacts'))
    expect(list.artifacts).toMatchObject([{ id, expired: true }])
    const zip = await job.rest(`/repos/octo/demo/actions/artifacts/${id}/zip`)
    expect(zip.status).toBe(410)
    expect(await zip.json()).toMatchObject({ message: 'Artifact has expired' })
    expect(await listOf(await job.rest('/repos/octo/demo/actions/artifacts'))).toMatchObject({
      total_count: 0,
    })
  } finally {
    await timed.close()
  }
})

test("a caller learns nothing of other projects' artifacts", async () => {
  const run = { run: (runs += 1) }
  const id = await (await rig.as(run)).upload('site', zipOf({ a: 'x' }))
  const stranger = await rig.as({ ...run, project: 'octo/other' })
  for (const path of [
    `/repos/octo/demo/actions/runs/${run.run}/artifacts`,
    '/repos/octo/demo/actions/artifacts',
    `/repos/octo/demo/actions/artifacts/${id}`,
    `/repos/octo/demo/actions/artifacts/${id}/zip`,
    // The id exists and the project is the stranger's own, but the artifact is in another.
    `/repos/octo/other/actions/artifacts/${id}/zip`,
  ]) {
    const response = await stranger.rest(path)
    expect([path, response.status, await response.json()]).toEqual([
      path,
      404,
      { message: 'Not Found', status: '404' },
    ])
  }
  expect((await fetch(`${rig.url}/repos/octo/demo/actions/artifacts/${id}/zip`)).status).toBe(401)
  const reader = await rig.as({ run: (runs += 1), scope: 'read' })
  const removal = await reader.rest(`/repos/octo/demo/actions/artifacts/${id}`, {
    method: 'DELETE',
  })
  expect(removal.status).toBe(403)
})

test('gh and octokit get a raw file in a zip, a browser gets the file', async () => {
  const job = await rig.as({ run: (runs += 1) })
  const content = noise(5000)
  const id = await job.upload('tool.bin', content, {
    version: 7,
    mime_type: 'application/octet-stream',
  })
  const redirect = await job.rest(`/api/v3/repos/octo/demo/actions/artifacts/${id}/zip`)
  const location = redirect.headers.get('location') ?? ''
  for (const agent of ['GitHub CLI 2.46.0', 'octokit-core.js/7.0.6 Node.js/24']) {
    const answer = await fetch(location, { headers: { 'user-agent': agent } })
    const zip = unzipSync(new Uint8Array(await answer.arrayBuffer()))
    expect(Object.keys(zip)).toEqual(['tool.bin'])
    expect(Buffer.from(zip['tool.bin']!)).toEqual(content)
  }
  const forCurl = await fetch(location, { headers: { 'user-agent': 'curl/8' } })
  expect(Buffer.from(await forCurl.arrayBuffer())).toEqual(content)
})

test('a media type that is invalid in a header is replaced by application/octet-stream, in new and older artifacts', async () => {
  const job = await rig.as({ run: (runs += 1) })
  const content = noise(5000)
  const download = async (id: number): Promise<string | null> => {
    const redirect = await job.rest(`/repos/octo/demo/actions/artifacts/${id}/zip`)
    const answer = await fetch(redirect.headers.get('location') ?? '')
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(content)
    return answer.headers.get('content-type')
  }
  const odd = 'text/plain\u0001'
  expect(await download(await job.upload('new', content, { version: 7, mime_type: odd }))).toBe(
    'application/octet-stream',
  )
  const older = await job.upload('older', content, { version: 7, mime_type: 'text/plain' })
  const database = new SqliteDatabase(join(rig.dataDir, 'trove.db'))
  database.prepare('UPDATE artifacts SET mime_type = ? WHERE id = ?').run(odd, older)
  database.close()
  expect(await download(older)).toBe('application/octet-stream')
})

test('with the policy replace two concurrent jobs both get a name, and the later one keeps it', async () => {
  const replacing = await openRig({ environment: { TROVE_ON_CONFLICT: 'replace' } })
  try {
    const [first, second] = [await replacing.as({ job: 'a' }), await replacing.as({ job: 'b' })]
    const [one, two] = [zipOf({ a: '1' }), zipOf({ a: '2' })]
    const targets = [await first.create('site'), await second.create('site')]
    await putBlocks(targets[0]!, [['YQ==', one]])
    await putBlocks(targets[1]!, [['YQ==', two]])
    expect((await first.finalize('site', one)).status).toBe(200)
    const { status, body } = await second.finalize('site', two)
    expect(status).toBe(200)
    expect((await first.list()).map((item) => item['database_id'])).toEqual([body['artifact_id']])
  } finally {
    await replacing.close()
  }
})
