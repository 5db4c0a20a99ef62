/** Cost of downloads: throughput of a zip compared with a file piped from disk, and time to the
 *  first byte of a zip of many entries compared with the same zip generated on the fly. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { generateBigFile, generateSmallFiles } from './corpora.ts'
import { download, save, upload } from './curl.ts'
import {
  formatSummary,
  formatTable,
  interleave,
  megabytes,
  type Parts,
  runProgram,
} from './measure.ts'
import { withScratch, withStore, type BenchStore } from './scratch.ts'

export const egressParts: Parts = { speed: measureSpeed, 'first-byte': measureFirstByte }

const rounds = 7
/** The stock client gets chunked zips (GITHUB-PROTOCOL §11.3), so that path is measured too. */
const stockAgent = 'User-Agent: @actions/artifact-6.2.1'

/** Compares a stored artifact whose zip has 1 GiB with the same bytes as one file on disk. */
async function measureSpeed(): Promise<void> {
  await withScratch(async (scratch) => {
    await withStore(async (store) => {
      const tree = join(scratch, 'tree')
      await mkdir(tree)
      for (let seed = 1; seed <= 32; seed++) {
        const file = await generateBigFile(64 * 1024 ** 2, seed)
        await runProgram('cp', [file, join(tree, `part-${seed}.bin`)])
      }
      const id = await putTree(store, tree, scratch, 'big')
      const url = `${store.trove.url}/api/v1/artifacts/${id}/archive.zip`
      const access = [`Authorization: Bearer ${store.token}`]
      const zip = join(scratch, 'big.zip')
      await save(url, zip, access)
      await withRival(['file', zip], async (rival) => {
        const figures = await interleave(
          {
            'trove zip': () => download(url, access),
            'trove zip, stock client': () => download(url, [...access, stockAgent]),
            'node:http, file from disk': () => download(rival),
          },
          rounds,
        )
        const size = (await stat(zip)).size
        const baseline = figures['node:http, file from disk']['seconds']!.median
        const rows = Object.entries(figures).map(([name, { seconds }]) => [
          name,
          (size / 1e6 / seconds!.median).toFixed(0),
          formatSummary(seconds!, 3),
          (baseline / seconds!.median).toFixed(2),
        ])
        console.log(`zip of ${megabytes(size)} MB\n`)
        console.log(formatTable(['server', 'MB/s', 'seconds', 'speed vs node:http'], rows))
        console.log(`\nserver peak RSS ${megabytes(store.peakRssBytes())} MB`)
      })
    })
  })
}

/** 50,000 small files: seconds to the first byte, and in total. */
async function measureFirstByte(): Promise<void> {
  const tree = await generateSmallFiles(50_000, 1024)
  await withScratch(async (scratch) => {
    await withStore(async (store) => {
      const id = await putTree(store, tree, scratch, 'many')
      const url = `${store.trove.url}/api/v1/artifacts/${id}/archive.zip`
      const access = [`Authorization: Bearer ${store.token}`]
      await withRival(['fflate', tree], async (rival) => {
        const figures = await interleave(
          {
            'trove zip': () => download(url, access),
            'trove zip, stock client': () => download(url, [...access, stockAgent]),
            'fflate Zip on the fly': () => download(rival),
          },
          rounds,
        )
        const rows = Object.entries(figures).map(([name, { firstByteSeconds, seconds, bytes }]) => [
          name,
          formatSummary(firstByteSeconds!, 3),
          formatSummary(seconds!, 2),
          megabytes(bytes!.median),
        ])
        const header = ['server', 'seconds to first byte', 'seconds in total', 'MB']
        console.log(formatTable(header, rows))
        console.log(`\nserver peak RSS ${megabytes(store.peakRssBytes())} MB`)
      })
    })
  })
}

/** Stores a directory as an artifact and returns its id. */
async function putTree(
  store: BenchStore,
  directory: string,
  scratch: string,
  name: string,
): Promise<number> {
  const tar = join(scratch, `${name}.tar`)
  await runProgram('tar', ['-cf', tar, '-C', directory, '.'])
  const access = [`Authorization: Bearer ${store.token}`]
  const url = `${store.trove.url}/api/v1/projects/octo/demo/runs/1/artifacts/${name}`
  await upload(tar, url, [...access, 'Content-Type: application/x-tar', 'Expect:'])
  await runProgram('rm', [tar])
  const list = await fetch(`${store.trove.url}/api/v1/artifacts?name=${name}`, {
    headers: { authorization: `Bearer ${store.token}` },
  })
  const { items } = (await list.json()) as { items: { id: number }[] }
  return items[0]!.id
}

async function withRival(args: string[], work: (url: string) => Promise<void>): Promise<void> {
  const program = fileURLToPath(new URL('rival-server.js', import.meta.url))
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    await work(url)
  } finally {
    child.kill()
  }
}
