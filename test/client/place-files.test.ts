/** What worker threads write for a download, and what they refuse to write. */
import { lstatSync, readdirSync, rmSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Digest, digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { copyCodecs } from '../../src/core/bytes/blob-exchange.ts'
import type { PlaceAnswer, PlaceTarget } from '../../src/client/files/file-tasks.ts'
import { copyPieces, findParts, patchFile, sealFile } from '../../src/client/files/patch-file.ts'
import { placeFiles } from '../../src/client/files/place-files.ts'
import { encodeJoiningSync } from '../../src/packs/codec/codec.ts'
import { makeDirectory, makeTree } from './tree.ts'
import { openFiles } from '../open-files.ts'

// Nothing can be created below a file, even by root.
const path = '/dev/null/below'
const refused = { name: 'FileError', path, message: /^\/dev\/null\/below cannot be written: E/ }

function failureOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    const { name, message, path: where } = error as Error & { path: string }
    return { name, message, path: where }
  }
}

interface Placed {
  content: Buffer
  codec: 'joining' | 'stored'
  /** That of the content, unless it is wrong. */
  digest?: Digest
  targets: PlaceTarget[]
}

function place(files: readonly Placed[]): PlaceAnswer {
  const stored = files.map(({ content, codec }) =>
    codec === 'stored' ? content : encodeJoiningSync(content, 5),
  )
  const targets = files.flatMap((file) => file.targets)
  return placeFiles({
    kind: 'place',
    files: Float64Array.from(
      files.flatMap(({ content, codec, targets: own }, index) => {
        const { length } = stored[index]!
        return [content.length, length, copyCodecs.indexOf(codec), own.length]
      }),
    ),
    digests: Buffer.concat(
      files.map(({ content, digest }) => digestToBytes(digest ?? digestOf(content))),
    ),
    paths: targets.map((target) => `${target.path}\0`).join(''),
    attributes: Float64Array.from(
      targets.flatMap(({ mode, modifiedAt }) => [mode, modifiedAt ?? Number.NaN]),
    ),
    stored: Buffer.concat(stored),
  })
}

test('each file gets its content, mode and time, and stats by which it is known again', async () => {
  const root = await makeDirectory()
  const made: Placed[] = [
    {
      content: Buffer.from('a'.repeat(5000)),
      codec: 'joining',
      targets: [
        { path: join(root, 'new/sub/first'), mode: 0o666, modifiedAt: -1 },
        { path: join(root, 'new/second'), mode: 0o750, modifiedAt: 1_600_000_000 },
      ],
    },
    {
      content: Buffer.from('plain'),
      codec: 'stored',
      targets: [{ path: join(root, 'third'), mode: 0o444, modifiedAt: null }],
    },
    {
      content: Buffer.alloc(0),
      codec: 'joining',
      targets: [{ path: join(root, 'new/empty'), mode: 0o644, modifiedAt: 0 }],
    },
  ]
  const before = openFiles()
  const begunAt = Date.now()
  const { stats } = place(made)
  expect(openFiles()).toBe(before)
  let at = 0
  for (const { content, targets } of made)
    for (const { path: own, mode, modifiedAt } of targets) {
      const found = lstatSync(own)
      expect(await readFile(own), own).toEqual(content)
      expect([own, found.mode & 0o777]).toEqual([own, mode])
      const columns = [...stats.subarray(at, at + 4)]
      if (modifiedAt === null) {
        // Another change in the same tick would not show.
        expect(columns).toEqual([Number.NaN, 0, 0, 0])
        expect(found.mtimeMs).toBeGreaterThan(begunAt - 50)
      } else {
        expect(columns).toEqual([found.size, found.mtimeMs, found.ctimeMs, found.ino])
        expect(found.mtimeMs).toBe(modifiedAt * 1000)
      }
      at += 4
    }
  expect(at).toBe(stats.length)
  rmSync(join(root, 'new'), { recursive: true })
  place(made.slice(0, 1))
  expect(statSync(join(root, 'new/second')).size).toBe(5000)
})

test('nothing is written that has another digest, or over what is there', async () => {
  const root = await makeDirectory({ there: 'own', link: '-> elsewhere' })
  const at = (name: string): PlaceTarget => {
    const path = join(root, name)
    return { path, mode: 0o644, modifiedAt: null }
  }
  const file = { content: Buffer.from('content'), codec: 'stored' } as const
  const other = { ...file, digest: digestOf('other'), targets: [at('new')] }
  expect(() => place([other])).toThrow(digestOf('other'))
  for (const name of ['there', 'link'])
    expect(failureOf(() => place([{ ...file, targets: [at(name)] }]))).toMatchObject({
      name: 'FileError',
      path: join(root, name),
    })
  expect(readdirSync(root).toSorted()).toEqual(['link', 'there'])
  expect(await readFile(join(root, 'there'), 'utf8')).toBe('own')
})

test('a large file is complete only when all parts are in place', async () => {
  const root = await makeDirectory({ large: '-'.repeat(12), link: '-> large' })
  const large = join(root, 'large')
  const parts = ['one', 'two', 'threes'].map((text) => Buffer.from(text))
  const digest = digestOf(Buffer.concat(parts))
  const sizes = Uint32Array.from(parts, (part) => part.length)
  const digests = Buffer.concat(parts.map((part) => digestToBytes(digestOf(part))))
  const find = (): number[] => [
    ...findParts({ kind: 'findParts', path: large, sizes, digests }).isThere,
  ]
  const seal = () => sealFile({ kind: 'seal', path: large, digest, mode: 0o600, modifiedAt: 1e9 })
  const write = (indexes: readonly number[], target = large): void => {
    const pieces = indexes.map((index) => {
      const offset = sizes.subarray(0, index).reduce((sum, size) => sum + size, 0)
      const sizeBytes = sizes[index]!
      return { offset, sizeBytes, codec: 'stored', lengthBytes: sizeBytes } as const
    })
    const stored = Buffer.concat(indexes.map((index) => parts[index]!))
    expect(patchFile({ kind: 'patch', path: target, pieces, stored })).toEqual({ stored })
  }
  const before = openFiles()
  expect(find()).toEqual([0, 0, 0])
  write([2, 0])
  expect(find()).toEqual([1, 0, 1])
  expect(seal).toThrow(digest)
  expect(() => write([1], join(root, 'link'))).toThrow('ELOOP')
  expect(find()).toEqual([1, 0, 1])
  write([1])
  expect(find()).toEqual([1, 1, 1])
  const { stats } = seal()
  const { size, mtimeMs, ctimeMs, ino, mode } = statSync(large)
  expect([...stats]).toEqual([size, mtimeMs, ctimeMs, ino])
  expect([mtimeMs, mode & 0o777]).toEqual([1e12, 0o600])
  expect(await readFile(large, 'utf8')).toBe('onetwothrees')
  expect(openFiles()).toBe(before)
})

test('a file that cannot be written is reported by path', () => {
  const content = Buffer.from('content')
  const digest = digestOf(content)
  const own = failureOf(() =>
    place([{ content, codec: 'stored', targets: [{ path, mode: 0o644, modifiedAt: null }] }]),
  )
  const patch = failureOf(() => patchFile({ kind: 'patch', path, pieces: [], stored: content }))
  const noParts = { sizes: new Uint32Array(), digests: Buffer.alloc(0) }
  const seal = failureOf(() => sealFile({ kind: 'seal', path, digest, mode: 0o644, modifiedAt: 0 }))
  const find = failureOf(() => findParts({ kind: 'findParts', path, ...noParts }))
  for (const failure of [own, patch, seal, find])
    expect(failure).toMatchObject({ ...refused, message: expect.stringMatching(refused.message) })
})

test('a part of an older file that has changed is not copied', async () => {
  const directory = await makeDirectory()
  const [from, to] = [join(directory, 'from'), join(directory, 'to')]
  await makeTree(directory, { from: 'older', to: '-----' })
  const before = openFiles()
  const piece = { from: 0, to: 0, sizeBytes: 5, digest: digestOf('older') }
  expect(copyPieces({ kind: 'copy', from, to, pieces: [piece] })).toEqual({})
  expect(await readFile(to, 'utf8')).toBe('older')
  const other = { ...piece, digest: digestOf('other') }
  for (const pieces of [[other], [{ ...piece, from: 1 }]])
    expect(failureOf(() => copyPieces({ kind: 'copy', from, to, pieces }))).toMatchObject({
      name: 'FileError',
      path: from,
    })
  const gone = join(directory, 'gone')
  const task = { kind: 'copy', from: gone, to, pieces: [piece] } as const
  expect(failureOf(() => copyPieces({ ...task, pieces: [...task.pieces] }))).toMatchObject({
    name: 'FileError',
    path: gone,
  })
  expect(openFiles()).toBe(before)
})
