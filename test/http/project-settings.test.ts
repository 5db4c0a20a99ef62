/** `/projects/{owner}/{repo}`: settings can be read by whoever may read the project. */
import { expect, test } from 'vitest'
import type { TokenRequest } from '../../src/auth/token-request.ts'
import { openSharedServer, problemOf } from './open-server.ts'

const server = await openSharedServer({ TROVE_PUBLIC_PROJECTS: 'octo/open' })
const settings = { quotaBytes: 1_000_000, retentionDays: 5, strict: true }

async function read(project: string, request?: TokenRequest): Promise<Response> {
  const token = request === undefined ? null : await server.token(request)
  return await server.send(`/api/v1/projects/${project}`, { token })
}

test('settings are those that were set, also before the first upload', async () => {
  expect((await read('octo/app', { scope: 'admin' })).status).toBe(404)
  const token = await server.token({ scope: 'admin' })
  const change = { method: 'PATCH', token, json: settings }
  const changed = await (await server.send('/api/v1/projects/octo/app', change)).json()
  expect(changed).toMatchObject(settings)
  for (const scope of ['read', 'write', 'admin'] as const)
    expect(await (await read('octo/app', { scope })).json()).toEqual(changed)
})

test('settings are not for a token of one run, of another project, or for everyone', async () => {
  const token = await server.token({ project: 'octo/open' })
  await server.put('/api/v1/projects/octo/open/runs/1/artifacts/a', { token })
  const refusal = async (...args: Parameters<typeof read>): Promise<string> =>
    (await problemOf(await read(...args))).code
  expect(await refusal('octo/open')).toBe('unauthenticated')
  expect(await refusal('octo/open', { project: 'octo/other' })).toBe('forbidden')
  expect(await refusal('octo/app', { project: 'octo/other' })).toBe('not_found')
  expect(await refusal('octo/app', { scope: 'run', run: 1, job: 'b' })).toBe('forbidden')
})
