/** Our archives as other programs read them. Tools that may be missing (unzip, tar, python3) are
 *  used when present. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PassThrough, Readable, type Transform, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { createGunzip, gunzipSync } from 'node:zlib'
import { unzipSync } from 'fflate'
import { extract } from 'tar-stream'
import { beforeAll, describe, expect, test } from 'vitest'
import * as yauzl from 'yauzl'
import {
  representRunZip,
  representTarGz,
  representWrappedZip,
  representZip,
} from '../../src/egress/egress.ts'
import { createMemoryStore, type EntrySpec } from './memory-store.ts'
import { readAll } from './read-all.ts'
import { fullTree } from './trees.ts'
import { fileDirectory } from '../temporary-directory.ts'

const has = (tool: string, ...args: string[]): boolean => spawnSync(tool, args).status === 0
const python = has('python3', '--version')
const specs = fullTree()
const dir = fileDirectory()
const zipPath = join(dir, 'a.zip')
const tarPath = join(dir, 'a.tar.gz')
let zip: Buffer
let tarGz: Buffer

beforeAll(async () => {
  const store = createMemoryStore()
  const artifact = store.addArtifact(specs)
  zip = await readAll(await representZip(store.reader, artifact))
  tarGz = await readAll(await representTarGz(store.reader, artifact))
  writeFileSync(zipPath, zip)
  writeFileSync(tarPath, tarGz)
})

const sha = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 16)

/** One line per entry: what an archive must contain. */
function describeSpecs(list: EntrySpec[], withMode: boolean): string[] {
  return list
    .map((spec) => {
      const path = spec.kind === 'directory' ? `${spec.path}/` : spec.path
      const mode =
        spec.kind === 'symlink' ? 0o777 : (spec.mode ?? (spec.kind === 'directory' ? 0o755 : 0o644))
      const what =
        spec.kind === 'file'
          ? sha(spec.content)
          : spec.kind === 'symlink'
            ? `-> ${spec.target}`
            : ''
      return [path, ...(withMode ? [mode.toString(8)] : []), what].join(' ')
    })
    .sort()
}

function extractedTree(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const stat = lstatSync(join(root, path))
      const mode = (stat.mode & 0o777).toString(8)
      if (stat.isSymbolicLink()) return `${path} 777 -> ${readlinkSync(join(root, path))}`
      return stat.isDirectory()
        ? `${path}/ ${mode} `
        : `${path} ${mode} ${sha(readFileSync(join(root, path)))}`
    })
    .sort()
}

/** Drops directories that the archive does not name, which every extractor creates. */
function withoutImplied(lines: string[]): string[] {
  const named = new Set(describeSpecs(specs, true))
  return lines.filter((line) => !/\/ \d+ $/.test(line) || named.has(line))
}

describe('a generated zip', () => {
  test.skipIf(!has('unzip', '-v'))(
    "passes unzip's test, and unzip restores modes and links",
    () => {
      execFileSync('unzip', ['-tqq', zipPath])
      const out = join(dir, 'unzip')
      execFileSync('unzip', ['-qq', zipPath, '-d', out], {
        env: { ...process.env, LC_ALL: 'C.UTF-8' },
      })
      expect(withoutImplied(extractedTree(out))).toEqual(describeSpecs(specs, true))
    },
  )

  test.skipIf(!python)("reads the same in Python's zipfile", () => {
    const script = `
import sys, zipfile, hashlib, json
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for i in z.infolist():
    data = z.read(i); mode = i.external_attr >> 16
    link = (mode & 0o170000) == 0o120000
    what = '' if i.is_dir() else '-> ' + data.decode() if link else hashlib.sha256(data).hexdigest()[:16]
    assert i.create_system == 3 and i.extract_version == 20 and not i.flag_bits & 8 and not i.extra, i
    assert i.date_time in [(2026, 3, 4, 5, 6, 8), (1980, 1, 1, 0, 0, 0)], i.date_time
    print(json.dumps('%s %o %s' % (i.filename, mode & 0o777, what)))
`
    const lines = execFileSync('python3', ['-c', script, zipPath], { encoding: 'utf8' })
      .trim()
      .split('\n')
    const read = lines.map((line) => JSON.parse(line) as string)
    expect(read.sort()).toEqual(describeSpecs(specs, true))
  })

  test('reads the same in fflate', () => {
    const files = unzipSync(zip)
    const read = Object.entries(files).map(([path, bytes]) => [path, sha(bytes)])
    const expected = specs.map((spec) => {
      if (spec.kind === 'directory') return [`${spec.path}/`, sha(Buffer.alloc(0))]
      return [spec.path, sha(spec.kind === 'file' ? spec.content : Buffer.from(spec.target))]
    })
    expect(Object.fromEntries(read)).toEqual(Object.fromEntries(expected))
  })

  test('reads the same in yauzl, which checks sizes and names', async () => {
    expect(await readWithYauzl(zip)).toEqual(describeSpecs(specs, true))
  })

  test("is extracted by the stock client's streaming extractor, however it is split", async () => {
    for (const size of [zip.length, 65_536, 1009]) {
      const read = await readWithUnzipStream(zip, size)
      const expected = specs.map((spec) => {
        if (spec.kind === 'directory') return `${spec.path}/ Directory`
        return `${spec.path} ${sha(spec.kind === 'file' ? spec.content : Buffer.from(spec.target))}`
      })
      expect(read.sort()).toEqual(expected.sort())
    }
  })

  test('of a run has a folder per artifact, and that of one file wraps it', async () => {
    const store = createMemoryStore()
    const one = store.addArtifact(specs, { name: 'ones' as never })
    const file: EntrySpec = {
      kind: 'file',
      path: 'a b.txt',
      content: Buffer.from('hello'),
      form: 'joining',
    }
    const raw = store.addArtifact([file], { name: 'raw' as never, kind: 'raw' })
    const run = unzipSync(await readAll(await representRunZip(store.reader, [one, raw])))
    expect(Object.keys(run)).toEqual(
      expect.arrayContaining(['ones/', 'ones/bin/run', 'ones/empty/', 'raw/', 'raw/a b.txt']),
    )
    const wrapped = await readAll(await representWrappedZip(store.reader, raw))
    expect(await readAll(await representZip(store.reader, raw))).toEqual(wrapped)
    expect(await readWithYauzl(wrapped)).toEqual(describeSpecs([file], true))
    const subset = await readAll(
      await representZip(store.reader, one, { paths: ['bin/*', 'foreign/**'] }),
    )
    expect(Object.keys(unzipSync(subset)).sort()).toEqual(
      ['bin/latest', 'bin/run', 'foreign/deflate.bin', 'foreign/stored.bin'].sort(),
    )
  })
})

describe('a tar.gz', () => {
  test.skipIf(!has('tar', '--version'))(
    'passes the test of gzip, and GNU tar restores modes and links',
    () => {
      execFileSync('gzip', ['-t', tarPath])
      const out = mkdtempSync(join(dir, 'tar-'))
      const run = spawnSync('tar', ['-xpzf', tarPath, '-C', out], { encoding: 'utf8' })
      expect([run.status, run.stderr]).toEqual([0, ''])
      expect(withoutImplied(extractedTree(out))).toEqual(describeSpecs(specs, true))
      expect(lstatSync(join(out, 'cut.bin')).mtimeMs).toBe(Date.UTC(2026, 2, 4, 5, 6, 8))
    },
  )

  test.skipIf(!python)("reads the same in Python's tarfile", () => {
    const script = `
import sys, tarfile, hashlib, json
t = tarfile.open(sys.argv[1], 'r:gz')
for i in t:
    name = i.name + '/' if i.isdir() else i.name
    what = '' if i.isdir() else '-> ' + i.linkname if i.issym() else hashlib.sha256(t.extractfile(i).read()).hexdigest()[:16]
    assert i.uid == 0 and i.gid == 0 and i.uname == '' and i.mtime in (0, 1772600768), i.mtime
    print(json.dumps('%s %o %s' % (name, i.mode, what)))
`
    const lines = execFileSync('python3', ['-c', script, tarPath], { encoding: 'utf8' })
      .trim()
      .split('\n')
    const read = lines.map((line) => JSON.parse(line) as string)
    expect(read.sort()).toEqual(describeSpecs(specs, true))
  })

  test("reads the same in tar-stream after Node's gunzip", async () => {
    const read: string[] = []
    const sink = extract()
    sink.on('entry', (header, stream, next) => {
      void buffer(stream).then((bytes) => {
        const what =
          header.type === 'directory'
            ? ''
            : header.type === 'symlink'
              ? `-> ${header.linkname}`
              : sha(bytes)
        const path =
          header.type === 'directory' ? `${header.name.replace(/\/$/, '')}/` : header.name
        read.push(`${path} ${header.mode!.toString(8)} ${what}`)
        next()
      })
    })
    await pipeline(Readable.from([tarGz]), createGunzip(), sink)
    expect(read.sort()).toEqual(describeSpecs(specs, true))
  })

  test('takes less than 110 bytes plus the name for a tiny entry', async () => {
    const store = createMemoryStore()
    const many: EntrySpec[] = Array.from({ length: 1000 }, (_, index) => ({
      kind: 'file',
      path: `file-${String(index).padStart(4, '0')}`,
      content: Buffer.from('x'),
      form: 'joining',
    }))
    const { tarGzBytes } = store.addArtifact(many)
    expect(tarGzBytes / 1000).toBeLessThan(110 + 9)
    const whole = await readAll(await representTarGz(store.reader, store.addArtifact(many)))
    expect(gunzipSync(whole).length).toBe(1000 * 1024 + 1024)
  })
})

async function readWithYauzl(bytes: Buffer): Promise<string[]> {
  const zipFile = await new Promise<yauzl.ZipFile>((resolve, reject) => {
    const options = { lazyEntries: true, validateEntrySizes: true, strictFileNames: true }
    yauzl.fromBuffer(bytes, options, (error, file) =>
      error === null ? resolve(file) : reject(error),
    )
  })
  const read: string[] = []
  return await new Promise((resolve, reject) => {
    zipFile.on('error', reject)
    zipFile.on('end', () => resolve(read.sort()))
    zipFile.on('entry', (entry: yauzl.Entry) => {
      zipFile.openReadStream(entry, (error, stream) => {
        if (error !== null) return reject(error)
        void buffer(stream).then((data) => {
          const mode = entry.externalFileAttributes >>> 16
          const link = (mode & 0o170000) === 0o120000
          const what = entry.fileName.endsWith('/')
            ? ''
            : link
              ? `-> ${data.toString()}`
              : sha(data)
          read.push(`${entry.fileName} ${(mode & 0o777).toString(8)} ${what}`)
          zipFile.readEntry()
        }, reject)
      })
    })
    zipFile.readEntry()
  })
}

/** Reads with unzip-stream, a dependency of @actions/artifact that has no types. */
async function readWithUnzipStream(bytes: Buffer, pieceBytes: number): Promise<string[]> {
  const client = new URL('../../node_modules/@actions/artifact/package.json', import.meta.url)
  const require = createRequire(client)
  const unzip = require('unzip-stream') as { Parse(): Transform }
  const read: string[] = []
  const done: Promise<void>[] = []
  const sink = new Writable({
    objectMode: true,
    write: (entry: PassThrough & { path: string; type: string }, _encoding, next) => {
      done.push(
        buffer(entry).then((data) => {
          read.push(
            entry.type === 'Directory' ? `${entry.path} Directory` : `${entry.path} ${sha(data)}`,
          )
        }),
      )
      next()
    },
  })
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  await pipeline(Readable.from(pieces(), { objectMode: false }), unzip.Parse(), sink)
  await Promise.all(done)
  return read
}
