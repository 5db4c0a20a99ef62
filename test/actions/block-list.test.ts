/** The block list parser accepts what the SDKs write and rejects everything else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBlockList } from '../../src/actions/azure/block-list.ts'
import { limits } from '../../src/core/limits.ts'
import { countingTurns } from '../loop-turns.ts'

const declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

test('any list is read in order', async () => {
  const id = fc.base64String({ minLength: 4, maxLength: 88 })
  await fc.assert(
    fc.asyncProperty(fc.array(id), fc.constantFrom('', '\n', '  '), async (ids, blank) => {
      const items = ids.map((each) => `<Latest>${each}</Latest>`).join(blank)
      expect(
        await parseBlockList(
          `${declaration}${blank}<BlockList>${blank}${items}${blank}</BlockList>\n`,
        ),
      ).toEqual(ids)
    }),
  )
})

test('an empty list has three spellings', async () => {
  for (const root of ['<BlockList/>', '<BlockList />', '<BlockList></BlockList>']) {
    expect(await parseBlockList(declaration + root)).toEqual([])
    expect(await parseBlockList(`\uFEFF${root}`)).toEqual([])
  }
})

test('uncommitted blocks count as latest, committed ones do not exist', async () => {
  expect(
    await parseBlockList(
      '<BlockList><Uncommitted>YQ==</Uncommitted><Latest>Yg==</Latest></BlockList>',
    ),
  ).toEqual(['YQ==', 'Yg=='])
  await expect(
    parseBlockList('<BlockList><Committed>YQ==</Committed></BlockList>'),
  ).rejects.toThrow('not committed')
})

test('anything else is rejected', async () => {
  const wrong = [
    '',
    'x',
    '<BlockList>',
    '</BlockList>',
    '<BlockList><Latest>YQ==</Latest>',
    '<BlockList><Latest>YQ==</Uncommitted></BlockList>',
    '<BlockList><Latest></Latest></BlockList>',
    '<BlockList><Latest>Y Q</Latest></BlockList>',
    '<BlockList>YQ==</BlockList>',
    '<BlockList><Latest>YQ==</Latest>x</BlockList>',
    '<BlockList><Oldest>YQ==</Oldest></BlockList>',
    '<BlockList/><BlockList/>',
    '<!DOCTYPE x [<!ENTITY a "b">]><BlockList><Latest>&a;</Latest></BlockList>',
    '<BlockList><!-- --></BlockList>',
  ]
  for (const xml of wrong) await expect(parseBlockList(xml)).rejects.toThrow('malformed block list')
})

test('as many blocks as Azure allows are accepted, one more is too many', async () => {
  const list = (count: number): string =>
    `<BlockList>${'<Latest>YWJj</Latest>'.repeat(count)}</BlockList>`
  expect(await parseBlockList(list(limits.blocksMax))).toHaveLength(limits.blocksMax)
  await expect(parseBlockList(list(limits.blocksMax + 1))).rejects.toThrow('at most 50000')
})

test('very long blanks and unfinished end tags are parsed in linear time', async () => {
  const size = 4 * 1024 * 1024
  const startedAt = performance.now()
  for (const xml of [
    `<BlockList>${' '.repeat(size)}x</BlockList>`,
    `<BlockList>${'</BlockList>'.repeat(size / 12)}x`,
    `${' '.repeat(size)}<BlockLis`,
    `<BlockList>${'<Latest>'.repeat(size / 8)}</BlockList>`,
  ]) {
    await expect(parseBlockList(xml)).rejects.toThrow('malformed block list')
  }
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})

test('a long list is parsed in turns of the event loop', async () => {
  const xml = `<BlockList>${'<Latest>YWJj</Latest>'.repeat(limits.blocksMax)}</BlockList>`
  const { turns } = await countingTurns(async () => await parseBlockList(xml))
  expect(turns).toBeGreaterThan(10)
})
