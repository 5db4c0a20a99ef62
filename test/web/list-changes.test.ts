/** Bulk actions on the list of artifacts, while some of the artifacts are deleted concurrently. */
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { limits } from '../../src/core/limits.ts'
import { formatIds, parseIds } from '../../src/web/input.ts'
import { createRandom } from '../lifecycle/random-world.ts'
import { openServer, type TestServer } from '../http/open-server.ts'

/** Runs after the selected artifacts have been determined. */
let meanwhile = async (): Promise<unknown> => undefined
let ids: number[] = []

const server: TestServer = await openServer({}, undefined, async (step) => {
  if (step === 'chosen') await meanwhile()
})
afterAll(async () => {
  await server.close()
})

beforeEach(async () => {
  meanwhile = async () => undefined
  ids = []
  for (const name of ['a', 'b', 'c', 'd']) ids.push(await server.put(`1/${name}`))
  return async () => {
    await server.send('/api/v1/runs/1?includeKept', { method: 'DELETE' })
  }
})

async function post(
  action: string,
  ticked: number[],
  more = '',
): Promise<{ status: number; html: string; location: string | null }> {
  const response = await server.visit('/octo/app/artifacts', undefined, {
    method: 'POST',
    headers: { origin: server.url, 'content-type': 'application/x-www-form-urlencoded' },
    body: `action=${action}${more}${ticked.map((id) => `&id=${id}`).join('')}`,
  })
  const location = response.headers.get('location')
  return { status: response.status, html: await response.text(), location }
}

/** Posts the list's form with these artifacts selected; returns the page that follows. */
async function change(action: string, ticked: number[], more = ''): Promise<string> {
  const { status, html, location } = await post(action, ticked, more)
  expect([status, html]).toEqual([303, ''])
  return await server.page(location ?? '')
}

test('bytes that only the selected artifacts share are counted as freed, not as shared', async () => {
  const body = randomBytes(60_000)
  const twins = [await server.put('2/twin', { body }), await server.put('3/twin', { body })]
  const { html } = await post('delete', twins)
  expect(html).toMatch(
    /frees 5[89]\.\d KiB of 117\.2 KiB; 5[78]\.\d KiB is saved by compression and deduplication\./,
  )
  expect((await post('delete', twins.slice(1))).html).toMatch(
    /frees 0 B of 58\.6 KiB; 58\.\d KiB is shared and stays\./,
  )
})

async function removeSecond(): Promise<void> {
  await server.send(`/api/v1/artifacts/${ids[1]}`, { method: 'DELETE' })
}

async function artifact(id: number | undefined): Promise<Record<string, unknown>> {
  return (await (await server.send(`/api/v1/artifacts/${id}`)).json()) as Record<string, unknown>
}

test.each([
  ['keep', '', 'Kept 3 artifacts. 1 skipped: already kept, or no longer live.'],
  ['release', '', 'Stopped keeping 3 artifacts. 1 skipped: not kept, or no longer live.'],
  [
    'extend',
    '&days=5',
    'Changed the expiry of 3 artifacts. 1 skipped: same expiry already, or no longer live.',
  ],
])('%s skips artifacts that were deleted meanwhile, and says so', async (action, more, said) => {
  if (action === 'release') await change('keep', ids)
  meanwhile = removeSecond
  const before = await artifact(ids[3])
  const page = await change(action, ids, more)
  expect(page).toContain(said)
  const after = await artifact(ids[3])
  expect(after['pinned']).toBe(action === 'keep')
  expect(after['expiresAt'] === before['expiresAt']).toBe(action !== 'extend')
})

test('artifacts that were already deleted or kept count as skipped; if none was skipped, the notice does not mention it', async () => {
  await removeSecond()
  await change('keep', ids.slice(3))
  expect(await change('keep', ids)).toContain('Kept 2 artifacts. 2 skipped: already kept')
  const page = await change('release', ids.slice(2))
  expect(page).toContain('Stopped keeping 2 artifacts.')
  expect(page).not.toContain('skipped')
})

test('a confirmation holds all ids in one field, and deletes these artifacts', async () => {
  const { html } = await post('delete', ids.slice(1))
  const fields = [...html.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)]
  expect(fields.filter(([, name]) => name === 'id')).toEqual([])
  const form = new URLSearchParams(
    fields.map(([, name = '', value = '']): [string, string] => [name, value]),
  )
  expect(parseIds(form.get('ids') ?? '')).toEqual(ids.slice(1))
  const page = await change('delete-confirmed', [], `&${form.toString()}`)
  expect(page).toContain('Deleted 3 artifacts.')
  expect((await artifact(ids[0]))['state']).toBe('available')
})

test('the ids of the largest bulk action fit on a page', () => {
  const random = createRandom(1)
  let last = 123_456
  const many = Array.from(
    { length: limits.bulkDeleteMax },
    () => (last += 1 + Math.floor(random() * 2000)),
  )
  expect(parseIds(formatIds(many))).toEqual(many)
  expect(gzipSync(formatIds(many)).length).toBeLessThan(20 * 1024)
  expect(() => parseIds('1,-1')).toThrow('ids')
})

test.each(['ids', 'id'])(
  'more artifacts than a bulk action may have are refused (%s)',
  async (field) => {
    const many = Array.from({ length: limits.bulkDeleteMax + 1 }, () => '1')
    const more = `&${field}=${many.join(field === 'ids' ? ',' : '&id=')}`
    const { status, html } = await post('keep', [], more)
    expect(status).toBe(413)
    expect(html).toContain(`More than ${limits.bulkDeleteMax} artifacts match`)
  },
)

test('a deletion reports how many artifacts it deleted, and offers to restore these', async () => {
  meanwhile = removeSecond
  const page = await change('delete-confirmed', ids)
  expect(page).toContain('Deleted 3 artifacts. 1 skipped: no longer live.')
  const [, toast = ''] = page.split('class="toast"')
  const offered = [...(toast.split('</form>')[0] ?? '').matchAll(/name="id" value="(\d+)"/g)]
  expect(new Set(offered.map(([, id]) => Number(id)))).toEqual(new Set(ids.toSpliced(1, 1)))
})

test('a restore skips an artifact whose name is taken again', async () => {
  await change('delete-confirmed', ids)
  meanwhile = async () => await server.put('1/b')
  const page = await change('restore', ids)
  expect(page).toContain('Restored 3 artifacts. 1 not restored: too late, or the name is taken.')
  expect((await artifact(ids[3]))['state']).toBe('available')
})
