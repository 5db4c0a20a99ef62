/** Links between numbered pages. */
import { html } from 'hono/html'
import { expect, test } from 'vitest'
import { NumberedPager } from '../../src/web/parts/table.tsx'

test('numbers of pages are written as other numbers, and those in addresses are not', async () => {
  const view = { pageNumber: 1200, pageCount: 12_345, hrefOf: (page: string) => `?page=${page}` }
  const shown = String(await html`${NumberedPager(view)}`)
  expect(shown).toContain('Page 1,200 of 12,345')
  expect(shown).toContain('href="?page=1201"')
})
