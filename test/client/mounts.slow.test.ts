/** Downloads into a DEST that is, or contains, another file system. Without permission to mount, or
 *  without ntfs-3g, tests are skipped, unless TROVE_MOUNTS_REQUIRED is set (as in CI). */
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { startSharedServer, uploadDirectory } from './shared-server.ts'
import { describeTree, makeDirectory, makeTree, pseudoRandom } from './tree.ts'

const { trove, token } = await startSharedServer()
const client = createClient({ url: trove.url, token, cacheDir: null })

function mount(directory: string, ...options: string[]): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', directory])
    onTestFinished(() => {
      execFileSync('umount', [directory])
    })
    return true
  } catch (error) {
    return missing(error)
  }
}

function missing(error: unknown): false {
  if (process.env['TROVE_MOUNTS_REQUIRED'] !== undefined) throw error
  return false
}

let artifact: Awaited<ReturnType<typeof uploadDirectory>>['artifact']
let wanted: Record<string, string>
let back: string

beforeEach(async ({ skip }) => {
  const root = await makeDirectory()
  skip(!mount(root), 'needs permission to mount')
  await makeTree(root, {
    'here/file': 'f',
    'there/file': 'g',
    'there/large': pseudoRandom(400_000, 'there'),
    'there/link': '-> file',
    'there/deep/er/file': 'h',
    'there/empty': null,
  })
  ;({ artifact } = await uploadDirectory(client, root))
  wanted = await describeTree(root)
  back = await makeDirectory()
})

async function bringTo(directory: string): Promise<void> {
  await client.download({ artifact, destination: directory })
}

test.each(['there', '.trove-partial'])(
  'files are moved into place when %s is a mount point',
  async (name) => {
    await mkdir(join(back, name))
    mount(join(back, name))
    await bringTo(back)
    const { '.trove-partial': _empty, ...found } = await describeTree(back)
    expect(found).toEqual({ ...wanted, there: expect.stringMatching(/^directory/) })
    await rm(join(back, 'there/file'))
    await writeFile(join(back, 'there/large'), 'another')
    await bringTo(back)
    expect(await describeTree(back)).toMatchObject(found)
  },
)

test('a copy without enough space is reported by path and leaves nothing, and fetched files are reused', async () => {
  await mkdir(join(back, 'there'))
  mount(join(back, 'there'), '-o', 'size=64k')
  await expect(bringTo(back)).rejects.toThrow(
    `${join(back, 'there/large')} cannot be moved into place: ENOSPC`,
  )
  expect((await readdir(join(back, 'there'))).filter((name) => name.startsWith('.'))).toEqual([])
  execFileSync('mount', ['-o', 'remount,size=1m', join(back, 'there')])
  const { fetchedBytes } = await client.download({ artifact, destination: back })
  expect(fetchedBytes).toBe(0)
  expect(await describeTree(back)).toMatchObject({ 'there/large': wanted['there/large'] })
})

test('a mount point that --delete would remove is reported, and nothing is removed', async () => {
  await makeTree(back, { 'here/extra/mounted/kept': null, other: 'o' })
  mount(join(back, 'here/extra/mounted'))
  await writeFile(join(back, 'here/extra/mounted/file'), 'f')
  const before = await describeTree(back)
  await expect(client.download({ artifact, destination: back, delete: true })).rejects.toThrow(
    `${join(back, 'here/extra/mounted')} is a mount point`,
  )
  expect(await describeTree(back)).toEqual(before)
})

test('a read-only DEST works when it is complete, and is reported as read-only otherwise', async () => {
  mount(back)
  await bringTo(back)
  execFileSync('mount', ['-o', 'remount,ro', back])
  await bringTo(back)
  await expect(bringTo(join(back, 'a/b'))).rejects.toThrow(/cannot be created: EROFS/)
  execFileSync('mount', ['-o', 'remount,rw', back])
  await rm(join(back, 'here/file'))
  execFileSync('mount', ['-o', 'remount,ro', back])
  await expect(bringTo(back)).rejects.toThrow(/cannot be written: EROFS/)
})

/** Mounts a file system that ignores case, and lists all names in lower case. */
async function mountWithoutCase(into: string): Promise<boolean> {
  const image = join(await makeDirectory({ image: '' }), 'image')
  try {
    await truncate(image, 16 * 1024 * 1024)
    execFileSync('mkfs.ntfs', ['-F', '-Q', image], { stdio: 'ignore' })
    execFileSync('lowntfs-3g', ['-o', 'ignore_case', image, into], { stdio: 'ignore' })
  } catch (error) {
    return missing(error)
  }
  onTestFinished(() => {
    execFileSync('umount', [into])
  })
  return true
}

test.for([
  ['files', { 'there/a': 'small' }, { 'there/A': 'capital' }],
  ['a file and a directory', { 'there/a': 'file' }, { 'there/A/x': 'x' }],
  ['a file and a directory of its own', { 'there/a': 'file' }, { 'there/A': null }],
  ['a directory and a file', { 'there/a/x': 'x' }, { 'there/A': 'file' }],
  ['directories', { 'there/a/x': 'x' }, { 'there/A/y': 'y' }],
  ['a directory and a symlink', { 'there/a/x': 'x' }, { 'there/A': '-> x' }],
] as const)(
  'two names of %s that a mount in DEST cannot distinguish fail a download, also into what it has',
  async ([, first, second], { skip }) => {
    // Enough that a known DEST is not walked.
    const others = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f/${i}`, `${i}`]))
    const one = await makeDirectory({ ...others, ...first })
    const both = await makeDirectory({ ...others, ...first, ...second })
    const uploads = [await uploadDirectory(client, one), await uploadDirectory(client, both)]
    const cacheDir = await makeDirectory()
    for (const options of [{ delete: true }, { delete: false }]) {
      for (const cache of [null, cacheDir]) {
        for (const has of [uploads.slice(0, 1), []]) {
          const dest = await makeDirectory({ there: null })
          skip(!(await mountWithoutCase(join(dest, 'there'))), 'needs ntfs-3g')
          const cached = createClient({ url: trove.url, token, cacheDir: cache })
          for (const { artifact } of has) await cached.download({ artifact, destination: dest })
          const download = cached.download({
            artifact: uploads[1]!.artifact,
            destination: dest,
            ...options,
          })
          await expect(download).rejects.toThrow('cannot distinguish')
          for (const [path, content] of has.length > 0 ? Object.entries(first) : [])
            expect(await readFile(join(dest, path), 'utf8')).toBe(content)
        }
      }
    }
  },
)
