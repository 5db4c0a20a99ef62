/** Cost of uploads: bytes on disk and seconds, compared with whole-file deduplication of the same
 *  streams, restic and borg. */
import { hash } from 'node:crypto'
import { open, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openStockClient, stockLibraries, type StockLibrary } from '../test/clients/stock-client.ts'
import {
  fetchNodeModules,
  fetchReleases,
  generateBigFile,
  generateSmallFiles,
  listFiles,
  releaseSeries,
  type SeriesName,
} from './corpora.ts'
import { save, upload } from './curl.ts'
import {
  directoryBytes,
  formatSummary,
  formatTable,
  interleave,
  megabytes,
  runProgram,
  timed,
  type Parts,
  type Sample,
} from './measure.ts'
import { withScratch, withStore, type BenchStore } from './scratch.ts'
import { collectStreams } from './zip-streams.ts'

export const ingestParts: Parts = {
  stock: async () => {
    for (const library of stockLibraries) await measureStockUploads(library)
  },
  tar: async () => {
    for (const series of Object.keys(releaseSeries) as SeriesName[]) await measureSeries(series)
  },
  throughput: measureThroughput,
}

/** Uploads five releases of `next` with the published client, then the last one again. */
async function measureStockUploads(library: StockLibrary): Promise<void> {
  const releases = await fetchReleases('next')
  await withStore(async (store) => {
    const client = await openStockClient({ url: store.trove.url, token: store.token }, library)
    const rows: string[][] = []
    const unique = new Map<string, number>()
    const uploadRelease = async (directory: string, name: string): Promise<void> => {
      const before = await store.packBytes()
      const files = await listFiles(directory)
      const { seconds, value } = await timed(() => client.uploadArtifact(name, files, directory))
      const added = (await store.packBytes()) - before
      await collectSentStreams(store, value.id!, value.digest!, unique)
      const ofZip = `${((100 * added) / value.size!).toFixed(2)} %`
      rows.push([name, megabytes(value.size!), megabytes(added), ofZip, seconds.toFixed(1)])
    }
    try {
      for (const directory of releases) await uploadRelease(directory, basename(directory))
      const stored = await store.packBytes()
      const needed = [...unique.values()].reduce((sum, bytes) => sum + bytes, 0)
      await uploadRelease(releases.at(-1)!, `${basename(releases.at(-1)!)}-again`)
      console.log(`${library}\n`)
      console.log(formatTable(['artifact', 'zip MB', 'added MB', 'of zip', 'seconds'], rows))
      console.log(
        `\nfive releases: ${megabytes(stored)} MB in packs; whole-file dedup of the same streams: ` +
          `${megabytes(needed)} MB; ratio ${(stored / needed).toFixed(4)}; server peak RSS ` +
          `${megabytes(store.peakRssBytes())} MB\n`,
      )
    } finally {
      await client.close()
    }
  })
}

/** Adds the member streams of an uploaded zip to `unique`: digest → length. Throws when the
 *  downloaded zip is not the one that was sent. */
async function collectSentStreams(
  store: BenchStore,
  id: number,
  digest: string,
  unique: Map<string, number>,
): Promise<void> {
  await withScratch(async (directory) => {
    const path = join(directory, 'sent.zip')
    const url = `${store.trove.url}/api/v1/artifacts/${id}/archive.zip`
    await save(url, path, [`Authorization: Bearer ${store.token}`])
    const actual = hash('sha256', await readFile(path), 'hex')
    if (actual !== digest) throw new Error(`artifact ${id} is not the zip that was sent`)
    await collectStreams(path, unique)
  })
}

/** Uploads five releases, each as one tar with `PUT`, and backs up the same directories with restic
 *  and borg. */
async function measureSeries(series: SeriesName): Promise<void> {
  const releases = await fetchReleases(series)
  await withScratch(async (scratch) => {
    const rivals: [string, () => Promise<Sample>][] = [
      ['trove', () => storeByTar(releases, scratch)],
      ['restic', () => storeByRestic(releases)],
      ['borg', () => storeByBorg(releases)],
    ]
    const figures = new Map<string, Sample>()
    for (const [name, store] of rivals) figures.set(name, await store())
    const restic = figures.get('restic')!
    const rows = [...figures].map(([name, { bytes, allBytes, seconds }]) => [
      name,
      megabytes(bytes!),
      megabytes(allBytes!),
      (allBytes! / restic['allBytes']!).toFixed(3),
      seconds!.toFixed(1),
    ])
    console.log(`${series} ${releaseSeries[series].join(', ')}\n`)
    const header = ['store', 'data MB', 'with metadata MB', 'total vs restic', 'seconds']
    console.log(`${formatTable(header, rows)}\n`)
  })
}

async function storeByTar(releases: string[], scratch: string): Promise<Sample> {
  return await withStore(async (store) => {
    let seconds = 0
    for (const directory of releases) {
      const tar = join(scratch, 'release.tar')
      await runProgram('tar', ['-cf', tar, '-C', directory, '.'])
      seconds += await putFile(store, tar, basename(directory), 'application/x-tar')
    }
    return { bytes: await store.packBytes(), allBytes: await store.stopAndMeasure(), seconds }
  })
}

async function putFile(
  store: BenchStore,
  file: string,
  name: string,
  type: string,
): Promise<number> {
  const url = `${store.trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`
  const headers = [`Authorization: Bearer ${store.token}`, `Content-Type: ${type}`, 'Expect:']
  return await upload(file, url, headers)
}

async function storeByRestic(releases: string[]): Promise<Sample> {
  return await withScratch(async (directory) => {
    const repository = join(directory, 'restic')
    const env = { RESTIC_PASSWORD: 'bench', RESTIC_REPOSITORY: repository }
    await runProgram('restic', ['init', '--no-cache'], { env })
    let seconds = 0
    for (const cwd of releases) {
      seconds += (await runProgram('restic', ['backup', '--no-cache', '.'], { cwd, env })).seconds
    }
    const bytes = await directoryBytes(join(repository, 'data'))
    return { bytes, allBytes: await directoryBytes(repository), seconds }
  })
}

async function storeByBorg(releases: string[]): Promise<Sample> {
  return await withScratch(async (directory) => {
    const repository = join(directory, 'borg')
    const env = { BORG_BASE_DIR: directory }
    await runProgram('borg', ['init', '-e', 'none', repository], { env })
    let seconds = 0
    for (const cwd of releases) {
      const archive = `${repository}::${basename(cwd)}`
      const args = ['create', '--compression', 'zlib', archive, '.']
      seconds += (await runProgram('borg', args, { cwd, env })).seconds
    }
    const bytes = await directoryBytes(join(repository, 'data'))
    return { bytes, allBytes: await directoryBytes(repository), seconds }
  })
}

/** Throughput of one `PUT` of unseen bytes, compared with a plain copy to the same disk. */
async function measureThroughput(): Promise<void> {
  await withScratch(async (scratch) => {
    const nodeModules = join(scratch, 'node-modules.tar')
    await runProgram('tar', ['-cf', nodeModules, '-C', await fetchNodeModules(), '.'])
    const small = join(scratch, 'small.tar')
    await runProgram('tar', ['-cf', small, '-C', await generateSmallFiles(100_000, 1024), '.'])
    const inputs: [string, string, string][] = [
      ['half-random file', await generateBigFile(1024 ** 3), 'application/octet-stream'],
      ['node_modules as tar', nodeModules, 'application/x-tar'],
      ['100,000 files of 1 KiB as tar', small, 'application/x-tar'],
    ]
    const rows: string[][] = []
    for (const [name, file, type] of inputs) rows.push([name, ...(await measurePut(file, type))])
    const header = ['body', 'MB', 'PUT MB/s', 'copy and sync MB/s', 'server peak RSS MB']
    console.log(formatTable(header, rows))
  })
}

async function measurePut(file: string, type: string): Promise<string[]> {
  const size = (await stat(file)).size
  let peakRssBytes = 0
  const { trove, copy } = await interleave(
    {
      trove: () =>
        withStore(async (store) => {
          const seconds = await putFile(store, file, 'big', type)
          peakRssBytes = Math.max(peakRssBytes, store.peakRssBytes())
          return { rate: size / 1e6 / seconds }
        }),
      copy: () =>
        withScratch(async (directory) => {
          const { seconds } = await timed(() => copyAndSync(file, join(directory, 'copy')))
          return { rate: size / 1e6 / seconds }
        }),
    },
    3,
  )
  const rates = [trove['rate']!, copy['rate']!].map((rate) => formatSummary(rate, 0))
  return [megabytes(size), ...rates, megabytes(peakRssBytes)]
}

async function copyAndSync(from: string, to: string): Promise<void> {
  await runProgram('cp', [from, to])
  const file = await open(to, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
