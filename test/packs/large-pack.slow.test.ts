import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import yauzl from 'yauzl'
import { combineCrc32, crc32 } from '../../src/core/bytes/crc32.ts'
import { digestOf } from '../../src/core/bytes/digest.ts'
import { encodeJoining, inflateStream } from '../../src/packs/codec/codec.ts'
import { openLocalPackStore } from '../../src/packs/local/local.ts'
import { readPackDirectory } from '../../src/packs/format/pack-directory.ts'
import type { PackMember } from '../../src/packs/format/member-writer.ts'
import { openPackWriter } from '../../src/packs/format/pack-format.ts'
import { testDirectory } from '../temporary-directory.ts'

const run = promisify(execFile)
const MiB = 1024 * 1024
const count = 4100

// One member with more than 4 GiB stored, one with more than 4 GiB of content in few stored bytes,
// and one after both, so that every field that ZIP64 widens is wide somewhere.
test(
  'every reader reads members, contents and offsets beyond 4 GiB',
  { timeout: 300_000 },
  async () => {
    const root = testDirectory()
    const store = await openLocalPackStore({ directory: root })
    const random = randomBytes(MiB)
    const zeros = Buffer.alloc(MiB)
    const encoded = await encodeJoining(zeros, 9)
    const small = Buffer.from('after all that')
    const members: [PackMember, AsyncIterable<Buffer> | Buffer][] = [
      [
        { ...sizesOf(random, random), blobDigest: digestOf('random'), codec: 'stored' },
        repeat(random),
      ],
      [
        { ...sizesOf(zeros, encoded), blobDigest: digestOf('zeros'), codec: 'joining' },
        repeat(encoded),
      ],
      [
        {
          blobDigest: digestOf(small),
          codec: 'stored',
          crc32: crc32(small),
          sizeBytes: small.length,
          lengthBytes: small.length,
        },
        small,
      ],
    ]
    const writer = await openPackWriter(store)
    const offsets: number[] = []
    for (const [member, body] of members) offsets.push((await writer.append(member, body)).offset)
    const { name, sizeBytes } = await writer.seal()

    const entries = []
    for await (const entry of readPackDirectory(store, name, sizeBytes)) entries.push(entry)
    expect(entries.map((entry) => entry.offset)).toEqual(offsets)
    expect(entries.map((entry) => entry.sizeBytes)).toEqual([
      count * MiB,
      count * MiB,
      small.length,
    ])
    expect(await store.read(name, offsets[2]!, small.length)).toEqual(small)
    expect((await store.read(name, offsets[0]! + (count - 1) * MiB, MiB)).equals(random)).toBe(true)

    let inflatedBytes = 0
    for await (const piece of inflateStream('joining', repeat(encoded), count * MiB)) {
      inflatedBytes += piece.length
    }
    expect(inflatedBytes).toBe(count * MiB)

    const path = join(root, 'packs', name.slice(0, 2), `${name}.zip`)
    const zip = await yauzl.openPromise(path)
    const seen: number[] = []
    for await (const entry of zip.eachEntry()) seen.push(entry.uncompressedSize)
    expect(seen).toEqual([count * MiB, count * MiB, small.length])
    const script = 'import sys,zipfile;print(zipfile.ZipFile(sys.argv[1]).testzip())'
    expect(await outputIfPresent('python3', ['-c', script, path], 'None\n')).toBe('None\n')
    expect(await outputIfPresent('unzip', ['-tqq', path], '')).toBe('')
    await store.close()
  },
)

/** Returns a program's output; `absent` when the program is not installed. Throws when it reports a
 *  fault. */
async function outputIfPresent(program: string, args: string[], absent: string): Promise<string> {
  try {
    return (await run(program, args)).stdout
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return absent
    throw error
  }
}

async function* repeat(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let turn = 0; turn < count; turn++) yield bytes
}

function sizesOf(
  content: Buffer,
  stream: Buffer,
): Pick<PackMember, 'crc32' | 'sizeBytes' | 'lengthBytes'> {
  const one = crc32(content)
  let whole = 0
  for (let turn = 0; turn < count; turn++) whole = combineCrc32(whole, one, content.length)
  return { crc32: whole, sizeBytes: count * content.length, lengthBytes: count * stream.length }
}
