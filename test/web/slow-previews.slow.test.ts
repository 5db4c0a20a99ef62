/** Previews of files that take long to render. */
import { beforeAll, expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

/** Each of these once blocked the event loop for a tenth of a second or more. */
const slowFiles = {
  'list.md': Array.from({ length: 45_000 }, (_, index) => `- item ${index}`).join('\n'),
  'table.md': `a|b\n-|-\n${'1|2\n'.repeat(20_000)}`,
  'paragraph.md': '[a](b) '.repeat(45_000),
  'quoted.csv': `"${'a""'.repeat(300_000)}"`,
  'nothing.json': `[${'[],'.repeat(300_000)}[]]`,
  'failures.xml': `<testsuite>${'<testcase><failure/></testcase>'.repeat(60_000)}</testsuite>`,
  'one-line.log': '\u001b[31mx\u001b[0m'.repeat(90_000),
  'changed.txt': `${'a\n'.repeat(120_000)}b\n${'a\n'.repeat(120_000)}`,
}

const files = {
  'even.csv': 'a,b\n1,2\n',
  'many-lines.log': 'x\n'.repeat(60_000),
  'fifty-thousand.log': 'x\n'.repeat(50_000),
  ...slowFiles,
}

const server = await openSharedServer()
let id: number
let laterId: number
beforeAll(async () => {
  const put = async (run: number, contents: Record<string, string | Buffer>): Promise<number> =>
    await server.put(`${run}/odd`, {
      tar: Object.entries(contents).map(([name, content]) => ({ name, content })),
    })
  id = await put(1, files)
  laterId = await put(2, {
    'changed.txt': 'a\n'.repeat(240_000),
  })
})

async function pageOf(name: keyof typeof files, query = ''): Promise<string> {
  return await server.page(`/octo/app/actions/runs/1/artifacts/${id}/blob/${name}${query}`)
}

test('a text with more lines than a page may have says so even when all of it is requested', async () => {
  const page = await pageOf('many-lines.log', '?bytes=1048576')
  expect(page.match(/<li id="L/g)).toHaveLength(50_000)
  expect(page).toContain('Showing the first 97.7 KiB of 117.2 KiB.')
  expect(page).not.toContain('Show more')
  expect(await pageOf('fifty-thousand.log', '?bytes=1048576')).not.toContain('Showing the first')
})

test.each(Object.keys(slowFiles) as (keyof typeof slowFiles)[])(
  'rendering a slow preview does not block the event loop: %s',
  async (name) => {
    const path =
      name === 'changed.txt'
        ? `/octo/app/compare/${laterId}...${id}?file=${name}`
        : `/octo/app/actions/runs/1/artifacts/${id}/blob/${name}${name === 'one-line.log' ? '?bytes=1048576' : ''}`
    await pageOf('even.csv')
    // Other load on the machine counts as utilization too, so one of ten rounds has to be below.
    let lowest = 1
    for (let round = 0; round < 10 && lowest >= 0.5; round++) {
      const before = performance.eventLoopUtilization()
      await server.page(path)
      lowest = Math.min(lowest, performance.eventLoopUtilization(before).utilization)
    }
    expect(lowest).toBeLessThan(0.5)
  },
)
