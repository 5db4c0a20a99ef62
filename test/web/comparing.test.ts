/** What the pages of an artifact offer to compare it with. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const dayMs = 86_400_000

async function put(run: number, branch: string, project = 'octo/app'): Promise<number> {
  const path = `/api/v1/projects/${project}/runs/${run}/artifacts/site?branch=${branch}&event=push`
  const id = await server.put(path, {
    token: await server.token({ project, expiresInSeconds: 9_000_000 }),
    body: `${run}`,
  })
  server.clock.now += dayMs
  return id
}

/** The values of the offered options, those of other branches after `|`; the chosen one in
 *  brackets. */
function offered(html: string): string {
  const [, select = ''] = html.match(/<select name="base">(.*?)<\/select>/s) ?? []
  return [...select.matchAll(/<optgroup|<option value="(\d+)"( selected)?/g)]
    .map(([, id, isChosen]) => (id === undefined ? '|' : isChosen ? `[${id}]` : id))
    .join(' ')
}

test('an artifact can be compared with any recent one of its name, those of its branch first', async () => {
  const [first, topic, second, third] = [
    await put(1, 'main'),
    await put(2, 'topic'),
    await put(3, 'main'),
    await put(4, 'main'),
  ]
  const changes = await server.page(`/octo/app/actions/runs/4/artifacts/${third}/changes`)
  expect(offered(changes)).toBe(`[${second}] ${first} | ${topic}`)
  expect(changes).toMatch(/>\d{4}-\d\d-\d\d \d\d:\d\d UTC, run 3<\/option>/)
  expect(changes).toMatch(/UTC, run 2, topic<\/option>/)
  // The choice comes before the differences, which can be long.
  expect(changes.indexOf('<select')).toBeLessThan(changes.indexOf('1 changed'))
  const older = await server.page(`/octo/app/actions/runs/3/artifacts/${second}/changes`)
  expect(offered(older)).toBe(`${third} [${first}] | ${topic}`)
  const compared = await server.page(`/octo/app/compare/${first}...${third}`)
  expect(offered(compared)).toBe(`${second} [${first}] | ${topic}`)
})

test('what an artifact is compared with is offered, too, if it is not among the recent ones', async () => {
  const elsewhere = await put(1, 'main', 'octo/other')
  const here = await put(9, 'release')
  const admin = { project: undefined, scope: 'admin' } as const
  const html = await server.page(`/octo/app/compare/${elsewhere}...${here}`, admin)
  expect(offered(html)).toMatch(new RegExp(`^\\[${elsewhere}\\] \\| `))
})
