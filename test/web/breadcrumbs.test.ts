/** The breadcrumbs of pages: only the page itself is marked as the current one. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const id = await server.put('1/site')
const run = '/octo/app/actions/runs/1'
const artifact = `${run}/artifacts/${id}`

/** The labels of the breadcrumbs, in brackets those that are marked. */
async function crumbsOf(path: string): Promise<string[]> {
  const html = await server.page(path)
  const list = html.slice(html.indexOf('class="crumbs"'), html.indexOf('</ol>'))
  return [...list.matchAll(/<a href="[^"]*"( aria-current="page")?>([^<]*)<\/a>/g)].map(
    ([, current, label]) => (current === undefined ? label! : `[${label}]`),
  )
}

test('a page below another leads to that, and is not taken for it', async () => {
  expect(await crumbsOf('/octo/app')).toEqual(['[octo/app]'])
  expect(await crumbsOf('/octo/app/artifacts')).toEqual(['octo/app'])
  expect(await crumbsOf(run)).toEqual(['octo/app', '[Run 1]'])
  expect(await crumbsOf(artifact)).toEqual(['octo/app', 'Run 1', '[site]'])
  expect(await crumbsOf(`${artifact}/blob/site`)).toEqual(['octo/app', 'Run 1', 'site'])
})

test('the page of a job is below its run', async () => {
  const at = server.clock.now
  await server.record(1, [
    { type: 'run-started', at },
    { type: 'job-named', at, job: { key: 'build', id: 'build', name: 'Build <1>' } },
  ])
  const crumbs = await crumbsOf(`${run}/attempts/1/jobs/build`)
  expect(crumbs).toEqual(['octo/app', 'Run 1', '[Build &lt;1&gt;]'])
})
