/** A collection that ends all undoing is confirmed first. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()
const admin = { project: undefined, scope: 'admin' } as const

test('the page says what can no longer be restored after a collection without waiting, and asks', async () => {
  const page = await server.page('/admin/maintenance', admin)
  expect(page).toContain('<a class="button" href="/admin/maintenance?confirm=now">All now…</a>')
  expect(page).not.toContain('value="now"')
  const asked = async (): Promise<string> =>
    await server.page('/admin/maintenance?confirm=now', admin)
  expect(await asked()).toContain('No deleted artifact could be restored now.')
  const id = await server.put('1/site', { body: 'x'.repeat(2048) })
  await server.send(`/api/v1/artifacts/${id}`, { method: 'DELETE' })
  expect(await asked()).toMatch(/Deleted artifacts of .*2\.0 KiB.* can still be restored/)
  expect(await asked()).toContain('value="now"')
})

test('the confirmation of a deletion says when space is freed', async () => {
  const id = await server.put('2/site')
  expect(await server.page(`/octo/app/actions/runs/2/artifacts/${id}/delete`)).toContain(
    'This can be undone for 60 minutes; the space is freed after that.',
  )
})
