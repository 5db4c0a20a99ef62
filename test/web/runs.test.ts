/** What pages show of runs, and how their list is filtered. */
import { beforeAll, expect, test } from 'vitest'
import { callerOf } from '../actions/rig.ts'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const ofPull = 'branch=topic&event=pull_request&pullRequest=34&sha=merge&headSha=head'

beforeAll(async () => {
  await server.put('1/a?branch=main&event=push&workflow=CI&ordinal=11')
  await server.put(`2/a?${ofPull}&workflow=CI&ordinal=12&actor=%3Ci%3Emallory`)
  await server.put(`3/a?${ofPull}&ordinal=13&actor=octocat`)
})

async function open(path: string): Promise<string> {
  const token = await server.token({ scope: 'read', run: undefined, job: undefined })
  const response = await server.send(path, { token, headers: { accept: 'text/html' } })
  return await response.text()
}

async function listed(query: string): Promise<number[]> {
  const html = await open(`/octo/app?${query}`)
  return [...html.matchAll(/attempts\/1">(\d+)<\/a>/g)].map(([, run]) => Number(run))
}

test('the list of runs shows their numbers, pull requests and who started them, escaped', async () => {
  const html = await open('/octo/app')
  expect(html).toContain('CI</a> <span class="quiet">#11</span>')
  expect(html).toContain('<a class="badge" href="/octo/app?pull-request=34">PR #34</a>')
  expect(html).toContain('<a href="/octo/app?actor=octocat">octocat</a>')
  expect(html).toContain('&lt;i&gt;mallory')
  expect(html).not.toContain('<i>mallory')
})

test('runs are filtered by pull request and by who started them', async () => {
  expect(await listed('')).toEqual([3, 2, 1])
  expect(await listed('pull-request=34')).toEqual([3, 2])
  expect(await listed('pull-request=35')).toEqual([])
  expect(await listed('pull-request=34&actor=octocat')).toEqual([3])
  expect(await open('/octo/app?pull-request=x')).toContain('<a class="button" href="?">')
})

test('the details of an artifact have the number of its run, its pull request, and who started it', async () => {
  const id = await server.put(`4/a?${ofPull}&workflow=CI&ordinal=14&actor=hubot`)
  const html = await open(`/octo/app/actions/runs/4/artifacts/${id}/details`)
  expect(html).toContain('CI <span class="quiet">#14</span>')
  expect(html).toContain('>PR #34</a>')
  expect(html).toContain('<a href="/octo/app?actor=hubot">hubot</a>')
})

test('the page of a run has its number, pull request, head commit, and who started it', async () => {
  const html = await open('/octo/app/actions/runs/3')
  expect(html).toContain('<span class="quiet">#13</span>')
  expect(html).toContain('>PR #34</a>')
  expect(html).toContain('<span class="digest" title="head">head</span>')
  expect(html).toContain(' by <a href="/octo/app?actor=octocat">octocat</a>')
  expect(html).toContain('untrusted')
})

test('runs are filtered by whether they have artifacts, and by whether they are untrusted', async () => {
  const id = await server.put('5/a?branch=main&event=push')
  expect((await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })).ok).toBe(true)
  expect(await listed('artifacts=1')).toEqual([4, 3, 2, 1])
  expect(await listed('trust=pull-request')).toEqual([4, 3, 2])
  expect(await listed('trust=other')).toEqual([5, 1])
  expect(await listed('trust=other&artifacts=1')).toEqual([1])
  expect(await open('/octo/app?trust=other&workflow=none')).toContain('No runs match.')
})

test('runs are filtered by their outcome, where a runner reported any', async () => {
  const at = server.clock.now
  const started = { type: 'run-started', at }
  expect(await open('/octo/app')).not.toContain('name="outcome"')
  await server.record(1, [started])
  const ended = { type: 'run-finished', at, conclusion: 'failure', durationMs: 1 }
  await server.record(2, [started, ended])
  expect(await open('/octo/app')).toContain('<select name="outcome">')
  expect(await listed('outcome=failure')).toEqual([2])
  expect(await listed('outcome=running')).toEqual([1])
  expect(await listed('outcome=success')).toEqual([])
  const none = await open('/octo/app?outcome=success')
  expect(none).toContain('No runs match.')
  expect(none).toContain('<option value="success" selected="">')
})

test('the page of a project starts with the newest artifacts of its main branch, and with what is kept', async () => {
  const token = await server.token({ project: 'octo/top', run: undefined, job: undefined })
  const place = '/api/v1/projects/octo/top/runs'
  const put = async (run: number, name: string, facts: string): Promise<number> =>
    await server.put(`${place}/${run}/artifacts/${name}?${facts}`, { token })
  const html = async (query = ''): Promise<string> => {
    const headers = { accept: 'text/html' }
    return await (await server.send(`/octo/top${query}`, { token, headers })).text()
  }
  await put(1, 'site', 'branch=topic&event=push')
  expect(await html()).not.toContain('Latest on')
  expect(await html()).toContain('No artifact is kept.')
  const reader = await server.token({
    project: 'octo/top',
    scope: 'read',
    run: undefined,
    job: undefined,
  })
  const read = await server.send('/octo/top', { token: reader, headers: { accept: 'text/html' } })
  expect(await read.text()).not.toContain('No artifact is kept.')
  await put(2, 'site', 'branch=main&event=push')
  const newest = await put(3, 'site', 'branch=main&event=push')
  const report = await put(4, 'report', 'branch=main&event=push')
  await put(5, 'site', 'branch=main&event=pull_request')
  const latest = (await html()).split('Latest on <bdi>main</bdi>')[1]!.split('</section>')[0]!
  const paths = [...latest.matchAll(/artifacts\/(\d+)"/g)].map(([, id]) => Number(id))
  expect(paths).toEqual([report, newest])
  const kept = { method: 'PATCH', token, json: { pinned: true } }
  expect((await server.send(`/api/v1/artifacts/${newest}`, kept)).status).toBe(200)
  expect((await html()).split('<h2>Kept</h2>')[1]!.split('</section>')[0]).toContain('badge kept')
  expect(await html('?branch=main')).not.toContain('Latest on')
})

test('a run whose first upload is in progress stands above the list', async () => {
  const place = { project: 'octo/arriving', run: 8, job: 'build', scope: 'job' } as const
  const token = await server.token(place)
  const shown = async (query = ''): Promise<string> =>
    await (
      await server.send(`/octo/arriving${query}`, { token, headers: { accept: 'text/html' } })
    ).text()
  const link = 'Uploads in progress: <a href="/octo/arriving/actions/runs/8">run 8</a>'
  await callerOf(server.url, token, 'test').twirp('CreateArtifact', { name: 'a', version: 4 })
  expect(await shown()).toContain(link)
  expect(await shown('?branch=main')).not.toContain('Uploads in progress')
  expect(
    await (
      await server.send('/octo/arriving/actions/runs/8', {
        token,
        headers: { accept: 'text/html' },
      })
    ).text(),
  ).toContain('badge running')
})
