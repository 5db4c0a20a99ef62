/** What threads say of files that they cannot write. */
import { expect, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
import { copyCodecs } from '../../src/client/files/file-tasks.ts'
import { patchFile, sealFile } from '../../src/client/files/patch-file.ts'
import { placeFiles } from '../../src/client/files/place-files.ts'

// Nothing can be made below a file, whoever asks.
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

test('a file that cannot be written is told by its path', () => {
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
