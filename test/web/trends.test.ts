/** The page of trends: which artifacts it shows, where its points link to, and its text if there
 *  are none. */
import { beforeAll, expect, test } from 'vitest'
import { dayMs } from '../../src/core/units.ts'
import { openSharedServer } from '../http/open-server.ts'
import { seedRuns } from './seed-runs.ts'

const trends = '/octo/app/trends'

const server = await openSharedServer()
beforeAll(async () => {
  await server.put('1/other')
})

async function upload(
  run: number,
  { name = 'build', branch = 'main', bytes = 1000, query = '' } = {},
): Promise<number> {
  const place = `runs/${run}/artifacts/${encodeURIComponent(name)}`
  return await server.put(
    `/api/v1/projects/octo/app/${place}?branch=${encodeURIComponent(branch)}${query}`,
    { body: 'x'.repeat(bytes) },
  )
}

async function open(query: Record<string, string> = {}): Promise<string> {
  return await server.page(`${trends}?${new URLSearchParams(query).toString()}`, { scope: 'read' })
}

/** The text of the cells of each row. */
function rowsOf(html: string): string[][] {
  const [body = ''] = /<tbody>.*?<\/tbody>/s.exec(html.split('<main')[1] ?? '') ?? []
  return [...body.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) =>
      cell.replaceAll(/<[^>]*>/g, ''),
    ),
  )
}

function pointsOf(html: string): string[] {
  return [...html.matchAll(/<a href="([^"]*)" tabindex="-1"><title>([^<]*)<\/title><circle/g)].map(
    ([, href, title]) => `${title} → ${href}`,
  )
}

test('a project without branches shows how to upload; one with branches suggests them', async () => {
  const empty = await open()
  expect(empty).toContain('No recent upload names a branch.')
  expect(empty).toContain('--run RUN --branch BRANCH</pre>')
  await upload(2, { name: "a&'b", branch: '<i>x' })
  await upload(3, { name: 'fork', branch: 'main', query: '&event=pull_request' })
  const html = await open()
  expect(html).toContain('<bdi>a&amp;&#39;b</bdi> on <bdi>&lt;i&gt;x</bdi>')
  expect(html).not.toContain('fork')
  const [, href = ''] = /href="([^"]*trends\?name=a[^"]*)"/.exec(html) ?? []
  const { searchParams } = new URL(href.replaceAll('&amp;', '&'), server.url)
  expect(Object.fromEntries(searchParams)).toEqual({ name: "a&'b", branch: '<i>x' })
})

test('for a name that the branch does not have, the page links to the suggestions', async () => {
  for (const place of [
    { name: 'nonesuch', branch: 'main' },
    { name: 'fork', branch: 'main' },
  ]) {
    const html = await open(place)
    expect(html).toContain('No artifact has this name on this branch')
    expect(html).toContain(`<a href="${trends}">Choose another</a>`)
    expect(html).toContain(`value="${place.name}"`)
  }
})

test('each upload is shown with its change in size, which links to the comparison while both are live', async () => {
  const first = await upload(10, { query: '&retentionDays=1' })
  expect(await open({ name: 'build', branch: 'main' })).not.toContain('<figure')
  const second = await upload(11, { bytes: 3000 })
  await upload(11, { name: 'build', branch: 'topic', bytes: 70_000, query: '&attempt=2' })
  const deleted = await upload(12, { bytes: 90_000 })
  await server.send(`/api/v1/artifacts/${deleted}`, { method: 'DELETE' })
  await upload(13, { bytes: 50_000, query: '&event=pull_request' })
  const third = await upload(14, { bytes: 2000 })
  const compare = (base: number, head: number): string => `/octo/app/compare/${base}...${head}`
  const html = await open({ name: 'build', branch: 'main' })
  expect(rowsOf(html).map((row) => row.slice(0, 3))).toEqual([
    ['14', '2.0 KiB', '−1000 B'],
    ['11', '2.9 KiB', '+2.0 KiB'],
    ['10', '1000 B', '–'],
  ])
  expect(pointsOf(html)).toEqual([
    `run 10: 1000 B → /octo/app/actions/runs/10/artifacts/${first}`,
    `run 11: 2.9 KiB, +2.0 KiB → ${compare(first, second)}`,
    `run 14: 2.0 KiB, −1000 B → ${compare(second, third)}`,
  ])
  for (const [base, head] of [
    [first, second],
    [second, third],
  ] as const)
    expect(html.split(`href="${compare(base, head)}"`)).toHaveLength(3)

  server.clock.now += 2 * dayMs
  const later = await open({ name: 'build', branch: 'main' })
  expect(rowsOf(later).map((row) => row[6])).toEqual([`${third}`, `${second}`, `${first}expired`])
  expect(later).not.toContain(compare(first, second))
  expect(later).toContain(compare(second, third))
})

test('only the last hundred uploads are shown', async () => {
  const runs = { project: 'octo/app', first: 100, count: 101 }
  await seedRuns(server, { ...runs, branch: 'main', name: 'many' })
  const html = await open({ name: 'many', branch: 'main' })
  expect(html).toContain('The last 100 uploads')
  expect(rowsOf(html)).toHaveLength(100)
  expect([rowsOf(html)[0]?.[0], rowsOf(html).at(-1)?.[0]]).toEqual(['200', '101'])
})
