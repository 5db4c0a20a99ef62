/** Errors of worker threads that cannot write files. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/bytes/digest.ts'
import { copyCodecs } from '../../src/core/bytes/blob-exchange.ts'
import { copyPieces, patchFile, sealFile } from '../../src/client/files/patch-file.ts'
import { placeFiles } from '../../src/client/files/place-files.ts'
import { makeDirectory, makeTree } from './tree.ts'

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

test('a file that cannot be written is reported by path', () => {
  const content = Buffer.from('content')
  const digest = digestOf(content)
  const place = failureOf(() =>
    placeFiles({
      kind: 'place',
      files: Float64Array.of(content.length, content.length, copyCodecs.indexOf('stored'), 1),
      digests: digestToBytes(digest),
      paths: `${path}\0`,
      attributes: Float64Array.of(0o644, Number.NaN),
      stored: content,
    }),
  )
  const patch = failureOf(() => patchFile({ kind: 'patch', path, pieces: [], stored: content }))
  const seal = failureOf(() => sealFile({ kind: 'seal', path, digest, mode: 0o644, modifiedAt: 0 }))
  for (const failure of [place, patch, seal])
    expect(failure).toMatchObject({ ...refused, message: expect.stringMatching(refused.message) })
})

test('a part of an older file that has changed is not copied', async () => {
  const directory = await makeDirectory()
  const [from, to] = [join(directory, 'from'), join(directory, 'to')]
  await makeTree(directory, { from: 'older', to: '-----' })
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
})
