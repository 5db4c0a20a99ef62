/** Inputs of the benchmarks: real packages fetched by name with npm's own client, and seeded
 *  generators. Everything is created once in a cache directory (TROVE_BENCH_DIR, default below the
 *  system's temporary directory) and reused. */
import { execFile } from 'node:child_process'
import { createCipheriv, hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Five consecutive releases each, as nightly artifacts of a project would be. `next` has thousands
 *  of files, `typescript` a few large text files, `swc` one native binary. */
export const releaseSeries = {
  next: ['14.2.26', '14.2.27', '14.2.28', '14.2.29', '14.2.30'],
  typescript: ['5.6.3', '5.7.2', '5.7.3', '5.8.2', '5.8.3'],
  '@swc/core-linux-x64-gnu': ['1.15.17', '1.15.18', '1.15.21', '1.15.24', '1.15.26'],
} as const
export type SeriesName = keyof typeof releaseSeries

export function corporaDirectory(): string {
  return process.env['TROVE_BENCH_DIR'] ?? join(tmpdir(), 'trove-bench')
}

/** Returns the directories of the unpacked releases, oldest first. */
export async function fetchReleases(name: SeriesName): Promise<string[]> {
  const directories: string[] = []
  for (const version of releaseSeries[name]) directories.push(await fetchRelease(name, version))
  return directories
}

/** Returns a directory with the files of one published package, without its dependencies. */
export async function fetchRelease(name: string, version: string): Promise<string> {
  return await once(`${name.replaceAll('/', '+')}-${version}`, async (directory) => {
    const { stdout } = await run('npm', ['pack', `${name}@${version}`, '--silent'], {
      cwd: directory,
    })
    const archive = stdout.trim()
    await run('tar', ['-xzf', archive, '--strip-components=1'], { cwd: directory })
    await rm(join(directory, archive))
  })
}

/** Returns a tree of at least 600 MB and 45,000 files made by `npm install`, with two versions of
 *  some packages. */
export async function fetchNodeModules(): Promise<string> {
  return await once('node-modules', async (directory) => {
    const dependencies = {
      '@mui/icons-material': '5.16.7',
      'aws-sdk': '2.1692.0',
      'core-js': '3.39.0',
      'date-fns': '4.1.0',
      googleapis: '144.0.0',
      lodash: '4.17.21',
      next: '14.2.30',
      'next-before': 'npm:next@14.2.29',
      rxjs: '7.8.1',
      three: '0.170.0',
      typescript: '5.7.3',
      'typescript-before': 'npm:typescript@5.6.3',
    }
    await writeFile(
      join(directory, 'package.json'),
      JSON.stringify({ private: true, dependencies }),
    )
    const quiet = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund']
    await run('npm', ['install', '--no-package-lock', ...quiet], { cwd: directory })
  })
}

/** Generates `count` different files of about `sizeBytes` each, 250 per directory. */
export async function generateSmallFiles(count: number, sizeBytes: number): Promise<string> {
  return await once(`small-${count}-${sizeBytes}`, async (directory) => {
    for (let first = 0; first < count; first += 250) {
      const folder = join(directory, `d${String(first / 250).padStart(4, '0')}`)
      await mkdir(folder)
      const end = Math.min(first + 250, count)
      for (let file = first; file < end; file++) {
        const line = `file ${file} ${hash('sha256', String(file), 'hex')}\n`
        await writeFile(
          join(folder, `f${file}.txt`),
          line.repeat(Math.ceil(sizeBytes / line.length)),
        )
      }
    }
  })
}

/** Generates a file whose 64 KiB blocks are alternately text and random bytes, so that it deflates
 *  to about half its size. Another `seed` gives another file. */
export async function generateBigFile(sizeBytes: number, seed = 1): Promise<string> {
  const directory = await once(`big-${sizeBytes}-${seed}`, async (target) => {
    const file = await open(join(target, 'big.bin'), 'w')
    try {
      const random = randomSource(seed)
      for (let offset = 0; offset < sizeBytes; offset += 1024 * 1024) {
        const bytes = halfRandomMebibyte(random, offset)
        await file.write(bytes.subarray(0, Math.min(bytes.length, sizeBytes - offset)))
      }
    } finally {
      await file.close()
    }
  })
  return join(directory, 'big.bin')
}

function halfRandomMebibyte(random: (length: number) => Buffer, offset: number): Buffer {
  const half = 64 * 1024
  const pieces: Buffer[] = []
  for (let piece = 0; piece < 8; piece++) {
    const line = `${offset + piece}: the quick brown fox jumps over the lazy dog\n`
    pieces.push(Buffer.alloc(half, line), random(half))
  }
  return Buffer.concat(pieces)
}

/** Pseudo-random bytes at the speed of AES: the key stream of a cipher whose key is the seed. */
function randomSource(seed: number): (length: number) => Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32LE(seed)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  return (length) => cipher.update(Buffer.alloc(length))
}

/** Returns the cached directory `name`. On first use `fill` creates it in a scratch directory,
 *  which is renamed when complete. */
export async function once(
  name: string,
  fill: (directory: string) => Promise<void>,
): Promise<string> {
  const root = corporaDirectory()
  const directory = join(root, name)
  if (existsSync(directory)) return directory
  await mkdir(root, { recursive: true })
  const scratch = await mkdtemp(join(root, '.filling-'))
  await fill(scratch)
  await rename(scratch, directory)
  return directory
}

/** Returns the paths of all regular files below `directory`. */
export async function listFiles(directory: string): Promise<string[]> {
  const items = await readdir(directory, { recursive: true, withFileTypes: true })
  return items.filter((item) => item.isFile()).map((item) => join(item.parentPath, item.name))
}
