/** From who did something to all that the same token did. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()

test('the audit log leads from an act to all acts of its token, and from a token to what it did', async () => {
  await server.put('1/site')
  expect(await server.page('/octo/app/settings/audit')).toContain('There are no entries.')
  const culprit = await server.token({ expiresInSeconds: 7200 })
  for (const token of [culprit, await server.token({ expiresInSeconds: 3600 })]) {
    const id = await server.put(`1/${token === culprit ? 'theirs' : 'ours'}`)
    await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE', token })
  }
  const all = await server.page('/octo/app/settings/audit')
  const [, href] = /<a href="([^"]*\?token=[0-9a-f]{32})".*?theirs of run 1/s.exec(
    all.slice(all.lastIndexOf('<tr', all.indexOf('theirs of run 1'))),
  )!
  const theirs = await server.page(href!)
  expect(theirs).toContain('theirs of run 1')
  expect(theirs).not.toContain('ours of run 1')
  const none = await server.page('/octo/app/settings/audit?token=00000000')
  expect(none).toContain('No entries match. <a href="/octo/app/settings/audit">Clear filters</a>')
  const json = { scope: 'read', expiresInSeconds: 3600 }
  await server.send('/api/v1/tokens', { method: 'POST', json })
  expect(await server.page('/octo/app/settings/tokens')).toMatch(
    /href="\/octo\/app\/settings\/audit\?token=[0-9a-f]{32}"[^>]*aria-label="What token [0-9a-f]{12} did"/,
  )
})
