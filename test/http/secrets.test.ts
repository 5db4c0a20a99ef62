/** Credentials in artifacts, as shown by the API, pages and audit log. */
import { describe, expect, test } from 'vitest'
import type { WireAct } from '../../src/api/audit.ts'
import type { WireArtifact } from '../../src/api/messages.ts'
import type { WireSecretList } from '../../src/api/secrets.ts'
import { zipOf } from '../actions/archives.ts'
import { checkoutConfig, githubToken } from '../core/made-up-secrets.ts'
import { scanNow } from './scan-now.ts'
import { openSharedServer, problemOf, type SendRequest } from './open-server.ts'

// The tests run the search themselves.
const server = await openSharedServer({ TROVE_SECRETS: 'off' })
const form = { 'content-type': 'application/x-www-form-urlencoded' }
let run = 0

/** Uploads a checkout, as a stock client's zip, in a run of its own. */
async function putCheckout(token = githubToken(), more: SendRequest = {}): Promise<number> {
  run += 1
  const body = zipOf({
    '.git/config': checkoutConfig(token),
    'ci.log': `${token}\n${token}`,
    a: 'a',
  })
  const headers = { 'content-type': 'application/zip' }
  return await server.put(`${run}/workspace`, { headers, body, ...more })
}

async function readJson<T>(path: string, request: SendRequest = {}): Promise<T> {
  const answer = await server.send(path, request)
  expect([path, answer.status]).toEqual([path, 200])
  return (await answer.json()) as T
}

const idsOf = async (query: string): Promise<number[]> =>
  (await readJson<{ items: WireArtifact[] }>(`/api/v1/artifacts?${query}`)).items.map(
    ({ id }) => id,
  )

const listOf = async (id: number): Promise<WireSecretList> =>
  await readJson(`/api/v1/artifacts/${id}/secrets`)

async function pageOf(id: number, tab = '', scope: 'read' | 'write' = 'write'): Promise<string> {
  const { links } = await readJson<WireArtifact>(`/api/v1/artifacts/${id}`)
  const page = await server.visit(`${new URL(links.html).pathname}${tab}`, { scope })
  expect(page.status).toBe(200)
  return await page.text()
}

describe('the API', () => {
  test('counts them once searched, and returns their place but not their value', async () => {
    const token = githubToken('told')
    const id = await putCheckout(token)
    expect(await listOf(id)).toEqual({ artifact: id, searched: false, passedOver: 0, secrets: [] })
    expect(await readJson(`/api/v1/artifacts/${id}`)).toMatchObject({ secrets: null })
    await scanNow(server)
    expect(await readJson(`/api/v1/artifacts/${id}`)).toMatchObject({ secrets: 3 })
    const { items } = await readJson<{ items: WireArtifact[] }>(`/api/v1/artifacts?run=${run}`)
    expect(items).toMatchObject([{ id, secrets: 3 }])
    const without = await server.put(`${run}/without`)
    expect(await idsOf(`run=${run}`)).toEqual([without, id])
    expect(await idsOf(`run=${run}&secrets`)).toEqual([id])
    const list = await listOf(id)
    expect(list).toMatchObject({
      searched: true,
      secrets: [
        { path: '.git/config', line: 7, kind: 'git-authorization', dismissedAt: null },
        { path: 'ci.log', line: 1, kind: 'github-token', title: 'GitHub token' },
        { path: 'ci.log', line: 2 },
      ],
    })
    expect(JSON.stringify(list)).not.toContain(token)
  })

  test('requires permission to read the artifact', async () => {
    const id = await putCheckout()
    await scanNow(server)
    for (const request of [
      {},
      { method: 'PATCH', json: { digest: `sha256:${'0'.repeat(64)}`, dismissed: true } },
    ]) {
      const token = await server.token({ project: 'octo/other' })
      const answer = await server.send(`/api/v1/artifacts/${id}/secrets`, { ...request, token })
      expect(await problemOf(answer)).toMatchObject({ status: 404, code: 'artifact_not_found' })
    }
  })

  test('lets writers of the project dismiss them, and undo that', async () => {
    const id = await putCheckout(githubToken('dismissed'))
    await scanNow(server)
    const { digest } = (await listOf(id)).secrets[0]!
    const path = `/api/v1/artifacts/${id}/secrets`
    const change = async (dismissed: boolean, request: SendRequest = {}): Promise<Response> =>
      await server.send(path, { method: 'PATCH', json: { digest, dismissed }, ...request })
    const reader = { token: await server.token({ scope: 'read' }) }
    expect(await problemOf(await change(true, reader))).toMatchObject({ code: 'forbidden' })
    const done = (await (await change(true)).json()) as WireSecretList
    expect(done.secrets).toMatchObject([
      { dismissedAt: expect.any(String) },
      { dismissedAt: null },
      {},
    ])
    expect(await readJson(`/api/v1/artifacts/${id}`)).toMatchObject({ secrets: 2 })
    await change(false)
    expect(await readJson(`/api/v1/artifacts/${id}`)).toMatchObject({ secrets: 3 })
    const { items } = await readJson<{ items: WireAct[] }>(`/api/v1/audit?artifact=${id}`)
    expect(items).toMatchObject([
      { kind: 'undismiss-secret', artifactIds: [id], details: { path: '.git/config' } },
      { kind: 'dismiss-secret', by: { kind: 'person' } },
    ])
    const unknown = { digest: `sha256:${'0'.repeat(64)}`, dismissed: true }
    const answer = await server.send(path, { method: 'PATCH', json: unknown })
    expect(await problemOf(answer)).toMatchObject({ status: 404, code: 'not_found' })
  })
})

describe('pages', () => {
  test('warn above everything else, by path and kind, and accept a dismissal', async () => {
    const id = await putCheckout(githubToken('page'))
    expect(await pageOf(id)).not.toContain('This artifact contains')
    expect(await pageOf(id, '/details')).toContain('not looked for yet')
    await scanNow(server)
    const page = await pageOf(id)
    expect(page).toMatch(/role="alert".*This artifact contains 3 secrets.*Revoke/s)
    expect(page).toMatch(
      /GitHub token in <a href="[^"]*\/blob\/[^"]*#L1">line 1<\/a>, GitHub token in <a href="[^"]*#L2">line 2<\/a>/,
    )
    expect(page).toContain('Not a secret</button>')
    expect(await pageOf(id, '', 'read')).not.toContain('Not a secret</button>')
    const { links } = await readJson<WireArtifact>(`/api/v1/artifacts/${id}`)
    const { secrets } = await listOf(id)
    for (const { digest } of secrets) {
      const body = new URLSearchParams({ digest, dismissed: '1' }).toString()
      const headers = { ...form, origin: server.url }
      const action = `${new URL(links.html).pathname}/secrets`
      const answer = await server.visit(action, {}, { method: 'POST', headers, body })
      expect(answer.status).toBe(303)
    }
    expect(await pageOf(id)).not.toContain('This artifact contains')
    const details = await pageOf(id, '/details')
    expect(details).toMatch(/0 secrets found; 3 dismissed.*Warn again/s)
  })

  test('mark them in lists', async () => {
    const id = await putCheckout(githubToken('list'))
    const list = async (): Promise<string> =>
      await (await server.visit(`/octo/app/artifacts?run=${run}`)).text()
    expect(await list()).not.toContain('badge secrets')
    await scanNow(server)
    expect(await list()).toContain('badge secrets')
    const found = await server.visit('/octo/app/artifacts?state=secrets')
    expect(await found.text()).toContain(`/artifacts/${id}"`)
    const without = await server.put(`${run}/without`)
    const others = await server.visit('/octo/app/artifacts?state=secrets')
    expect(await others.text()).not.toContain(`/artifacts/${without}"`)
  })
})
