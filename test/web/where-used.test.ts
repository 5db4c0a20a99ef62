/** The tab *Where used* of an artifact. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const server = await openSharedServer()

test('artifacts that are identical are listed, and those that are not are counted', async () => {
  const ids: number[] = []
  for (let run = 1; run <= 61; run++) ids.push(await server.put(`${run}/site`, { body: 'same' }))
  const othersOf = async (run: number): Promise<[links: number, rest: string | undefined]> => {
    const page = await server.page(`/octo/app/actions/runs/${run}/artifacts/${ids[run - 1]}/used`)
    const [list = ''] = /<h2>Identical to<\/h2>.*?<\/ul>/s.exec(page) ?? []
    expect(list).not.toContain(`/artifacts/${ids[run - 1]}"`)
    return [list.match(/<a /g)!.length, /and [\d,]+ more/.exec(list)?.[0]]
  }
  // The newest is among the 50 that are read.
  expect(await othersOf(61)).toEqual([49, 'and 11 more'])
  expect(await othersOf(1)).toEqual([50, 'and 10 more'])
})
