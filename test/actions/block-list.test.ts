/** The block list parser accepts what the SDKs write and rejects everything else. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBlockList } from '../../src/actions/azure/block-list.ts'
import { limits } from '../../src/core/limits.ts'

const declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'

test('any list is read in order', () => {
  const id = fc.base64String({ minLength: 4, maxLength: 88 })
  fc.assert(
    fc.property(fc.array(id), fc.constantFrom('', '\n', '  '), (ids, blank) => {
      const items = ids.map((each) => `<Latest>${each}</Latest>`).join(blank)
      expect(
        parseBlockList(`${declaration}${blank}<BlockList>${blank}${items}${blank}</BlockList>\n`),
      ).toEqual(ids)
    }),
  )
})

test('an empty list has three spellings', () => {
  for (const root of ['<BlockList/>', '<BlockList />', '<BlockList></BlockList>']) {
    expect(parseBlockList(declaration + root)).toEqual([])
    expect(parseBlockList(`\uFEFF${root}`)).toEqual([])
  }
})

test('uncommitted blocks count as latest, committed ones do not exist', () => {
  expect(
    parseBlockList('<BlockList><Uncommitted>YQ==</Uncommitted><Latest>Yg==</Latest></BlockList>'),
  ).toEqual(['YQ==', 'Yg=='])
  expect(() => parseBlockList('<BlockList><Committed>YQ==</Committed></BlockList>')).toThrow(
    'not committed',
  )
})

test('anything else is rejected', () => {
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
  for (const xml of wrong) expect(() => parseBlockList(xml)).toThrow('malformed block list')
})

test('as many blocks as Azure allows are accepted, one more is too many', () => {
  const list = (count: number): string =>
    `<BlockList>${'<Latest>YWJj</Latest>'.repeat(count)}</BlockList>`
  expect(parseBlockList(list(limits.blocksMax))).toHaveLength(limits.blocksMax)
  expect(() => parseBlockList(list(limits.blocksMax + 1))).toThrow('at most 50000')
})

test('very long blanks and unfinished end tags are parsed in linear time', () => {
  const size = 4 * 1024 * 1024
  const startedAt = performance.now()
  for (const xml of [
    `<BlockList>${' '.repeat(size)}x</BlockList>`,
    `<BlockList>${'</BlockList>'.repeat(size / 12)}x`,
    `${' '.repeat(size)}<BlockLis`,
    `<BlockList>${'<Latest>'.repeat(size / 8)}</BlockList>`,
  ]) {
    expect(() => parseBlockList(xml)).toThrow('malformed block list')
  }
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})
