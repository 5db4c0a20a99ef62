/** `GET /admin/jobs` as a list like the others. */
import { expect, test } from 'vitest'
import { openSharedServer } from './open-server.ts'
import { runJob } from './run-job.ts'

const server = await openSharedServer()

interface Page {
  items: { id: string; kind: string }[]
  nextCursor: string | null
}

test('jobs come in pages, newest first, and unknown parameters are rejected', async () => {
  for (let count = 0; count < 3; count++) await runJob(server, 'gc', { dryRun: true })
  const token = await server.token({ scope: 'admin' })
  const list = async (query: string): Promise<Response> =>
    await server.send(`/api/v1/admin/jobs${query}`, { token })
  const pageOf = async (response: Response): Promise<Page> => {
    expect(response.status).toBe(200)
    return (await response.json()) as Page
  }
  const whole = await pageOf(await list(''))
  expect(whole).toMatchObject({ items: [{ kind: 'gc' }, {}, {}], nextCursor: null })

  const response = await list('?limit=2')
  const [, address] = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')!
  const first = await pageOf(response)
  const last = await pageOf(await list(new URL(address!).search))
  expect([...first.items, ...last.items]).toEqual(whole.items)
  expect([first.items.length, last.nextCursor]).toEqual([2, null])

  expect((await list('?kind=gc')).status).toBe(400)
})

test.each(['admin/jobs/1', 'attestation-keys', 'tokens/current'])(
  '%s has no parameters',
  async (path) => {
    const token = await server.token({ scope: 'admin' })
    const response = await server.send(`/api/v1/${path}?limit=2`, { token })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ detail: 'limit: unknown field' })
  },
)
