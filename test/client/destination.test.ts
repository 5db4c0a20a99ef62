/** What DEST has at the paths of a tree, as the walk finds it and as entries are examined one by
 *  one. */
import { type Stats, lstatSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  examineDestination,
  kindOf,
  place,
  recallDestination,
} from '../../src/client/download/destination.ts'
import { createTreeColumns, type FetchedTree } from '../../src/client/download/tree-columns.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { comparePaths, type Entry, type EntryPath } from '../../src/core/manifest/entry.ts'
import { formatEntry } from '../../src/core/manifest/manifest.ts'
import { makeDirectory, type TreeSpec } from './tree.ts'

interface Directory {
  isEntry: boolean
  below: Below
}
type Item = Directory | 'file' | 'link'
type Below = Partial<Record<'a' | 'a-a', Item>>

const { below } = fc.letrec<{ below: Below; item: Item }>((tie) => ({
  below: fc.record({ a: tie('item'), 'a-a': tie('item') }, { requiredKeys: [] }),
  item: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('file' as const, 'link' as const),
    fc.record({ isEntry: fc.boolean(), below: tie('below') }),
  ),
}))

/** Whether a directory has an entry of its own; an empty one always does. */
function hasEntry({ isEntry, below: inside }: Directory): boolean {
  return isEntry || Object.keys(inside).length === 0
}

const digest = digestOf('file')

function entriesBelow(items: Below, prefix = ''): Entry[] {
  return Object.entries(items).flatMap(([name, item]): Entry[] => {
    const path = `${prefix}${name}` as EntryPath
    if (item === 'file') return [{ kind: 'file', path, mode: 0o644, digest, sizeBytes: 4 }]
    if (item === 'link') return [{ kind: 'symlink', path, mode: 0o777, target: '.' }]
    const inside = entriesBelow(item.below, `${path}/`)
    return hasEntry(item) ? [{ kind: 'directory', path, mode: 0o755 }, ...inside] : inside
  })
}

function treeOf(entries: Entry[]): FetchedTree {
  const columns = createTreeColumns()
  const sorted = entries.toSorted((one, other) => comparePaths(one.path, other.path))
  columns.addLines(Buffer.from(sorted.map((entry) => formatEntry(entry)).join('')))
  columns.addTimes(Buffer.alloc(0), sorted.length)
  return columns
}

/** A link leads to the directory that contains it, so paths through it exist. */
const contents = { file: 'file', symlink: '-> .', directory: null }

const find = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false })

/** What is at a path, or what is in the way of a directory above it. */
function lookUp(root: string, path: string): { found?: Stats | undefined; inTheWay?: true } {
  const names = path.split('/')
  for (let depth = 1; depth < names.length; depth++) {
    const found = find(join(root, ...names.slice(0, depth)))
    if (found === undefined) return {}
    if (!found.isDirectory()) return { inTheWay: true }
  }
  return { found: find(join(root, path)) }
}

/** What a download that deletes would remove, and the directories without an entry that something
 *  else is in the way of. */
function differencesOf(
  held: Below,
  wanted: Below,
  prefix = '',
): Record<'extras' | 'blocked', string[]> {
  const extras: string[] = []
  const blocked: string[] = []
  for (const name of ['a', 'a-a'] as const) {
    const [own, item] = [held[name], wanted[name]]
    const path = `${prefix}${name}`
    if (own === undefined) continue
    if (typeof own !== 'object') {
      if (item === undefined) extras.push(path)
      else if (typeof item === 'object' && !hasEntry(item)) blocked.push(path)
    } else if (typeof item !== 'object') {
      extras.push(path)
    } else {
      const inside = differencesOf(own.below, item.below, `${path}/`)
      extras.push(...inside.extras)
      blocked.push(...inside.blocked)
    }
  }
  return { extras, blocked }
}

test('whatever DEST has, it is found without following a symlink, with a walk or without one', async () => {
  await fc.assert(
    fc.asyncProperty(below, below, async (held, wanted) => {
      const spec: TreeSpec = Object.fromEntries(
        entriesBelow(held).map(({ path, kind }) => [path, contents[kind]]),
      )
      const root = await makeDirectory(spec)
      const tree = treeOf(entriesBelow(wanted))
      const all = Array.from({ length: tree.count }, (_, ordinal) => ordinal)
      const seen = all.map((ordinal) => lookUp(root, tree.path(ordinal)))
      const places = seen.map(({ found }, ordinal) => {
        if (found === undefined) return place.absent
        return kindOf(found) === tree.kind(ordinal) ? place.same : place.other
      })
      const { extras, blocked } = differencesOf(held, wanted)
      const examined = examineDestination(root, tree, all)
      expect([...examined.places]).toEqual(places)
      expect(examined.extras.toSorted()).toEqual(extras.toSorted())
      expect([...examined.blocked].toSorted()).toEqual(blocked.toSorted())
      const isBlocked = seen.some(({ inTheWay }) => inTheWay)
      const recalled = recallDestination(root, tree, all)
      expect(recalled && [...recalled.places]).toEqual(isBlocked ? undefined : places)
    }),
  )
})
