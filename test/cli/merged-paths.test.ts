/** What is said about paths that several merged artifacts have. */
import { expect, test } from 'vitest'
import { collisionText, createMergedPaths } from '../../src/cli/output/merged-paths.ts'
import { createTreeColumns, type FetchedTree } from '../../src/client/download/tree-columns.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'

function treeOf(...lines: string[]): [FetchedTree, number[]] {
  const tree = createTreeColumns()
  tree.addLines(Buffer.from(lines.map((line) => `${line}\n`).join('')))
  return [tree, lines.map((_, ordinal) => ordinal)]
}

const file = (path: string, content: string, mode = '644'): string =>
  `f ${mode} ${content.length} ${digestOf(content)} ${path}`

test('paths collide if they hold something else, each is counted once', () => {
  const merged = createMergedPaths()
  const names = ['a', 'b', 'c', 'd', 'e', 'f']
  expect(merged.add(...treeOf(file('a', '1'), file('same', 'x')))).toMatchObject({ count: 0 })
  expect(merged.add(...treeOf(file('a', '2'), file('same', 'x')))).toEqual({
    count: 1,
    paths: ['a'],
  })
  expect(merged.add(...treeOf(file('same', 'x', '755')))).toMatchObject({ paths: ['same'] })
  expect(collisionText(merged.collisions())).toContain('2 paths differ')
  merged.add(...treeOf(...names.map((name) => file(name, '3'))))
  const last = merged.add(...treeOf(...names.map((name) => file(name, '4'))))
  expect(last).toEqual({ count: 6, paths: ['a', 'b', 'c', 'd', 'e'] })
  expect(collisionText(merged.collisions())).toMatch(/^trove: warning: 7 paths .*and 2 more\n$/)
})

test('nothing is said when nothing collides', () => {
  expect(collisionText(createMergedPaths().collisions())).toBe('')
})
