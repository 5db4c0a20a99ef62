/** The list of a project's artifacts as CSV: all of them, in the chosen order. */
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
beforeAll(async () => {
  const names = ['b', 'a', '\u{1f600}', '\uffee', 'B', 'c', 'd']
  for (const [index, name] of names.entries()) {
    const days = index % 2 === 0 ? 5 : 9 - index
    const place = `${index + 1}/${encodeURIComponent(name)}?retentionDays=${days}`
    const body = Buffer.alloc(1000 * (1 + (index % 3)), `${index % 4}`)
    const id = await server.put(place, { body })
    if (index < 2) {
      const keep = { method: 'PATCH', json: { pinned: true } }
      expect((await server.send(`/api/v1/artifacts/${id}`, keep)).status).toBe(200)
    }
  }
})

test.each(['newest', 'oldest', 'largest', 'costliest', 'expiring', 'name'])(
  'sorted by %s, the CSV has the order of the page',
  async (sort) => {
    const page = await (await server.send(`/octo/app/artifacts?sort=${sort}`)).text()
    const listed = [...page.matchAll(/<input[^>]*name="id"[^>]*value="(\d+)"/g)].map(([, id]) => id)
    const csv = await (await server.send(`/octo/app/artifacts?format=csv&sort=${sort}`)).text()
    const [head = '', ...rows] = csv.trimEnd().split(/\r?\n/)
    const id = head.split(',').indexOf('id')
    expect(listed).toHaveLength(7)
    expect(rows.map((row) => row.split(',')[id])).toEqual(listed)
  },
)

test('text that looks like a formula is escaped, and commas and quotes stay within a cell', async () => {
  const upload = async (run: number, name: string, branch: string): Promise<void> => {
    const query = new URLSearchParams({ branch }).toString()
    const path = `/api/v1/projects/octo/app/runs/${run}/artifacts/${encodeURIComponent(name)}`
    await server.put(`${path}?${query}`)
  }
  await upload(11, '=1+1', '@sum')
  await upload(12, 'a;=1;b', '+1, "two"')
  await upload(13, '＝1;＠1', '－1')
  const csv = await (await server.send('/octo/app/artifacts?format=csv&sort=oldest&name=1')).text()
  const rows = csv.split('\r\n').map((row) => row.split(',').slice(1, 5).join(','))
  expect(rows.slice(1, 4)).toEqual([
    "'=1+1,11,'@sum,available",
    `a;'=1;b,12,"'+1, ""two"""`,
    "'＝1;'＠1,13,'－1,available",
  ])
})
