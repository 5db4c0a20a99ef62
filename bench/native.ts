/** The native client beside restic, borg and cp: what is promised of `trove upload` and `trove download`. Rival and we
 *  take turns in one run; the server's time is part of ours, because both share the machine. */
import { rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { workerUrl } from '../src/worker-url.ts'
import { fetchReleases, generateBigFile, generateSmallFiles } from './corpora.ts'
import {
  directoryBytes,
  formatSummary,
  formatTable,
  interleave,
  megabytes,
  type Parts,
  type ProgramRun,
  runProgram,
  type Sample,
} from './measure.ts'
import { changeEveryHundredth, changeMegabyte, copyTree, fetchNativeTree } from './native-tree.ts'
import { type BenchStore, withScratch, withStore } from './scratch.ts'

const program = fileURLToPath(workerUrl(import.meta.url, '../src/cli/main.ts'))
/** As the first line of the program has them, which a shell heeds. */
const heap = ['--max-old-space-size=512', '--max-semi-space-size=4']
const rounds = 3

export const nativeParts: Parts = {
  reupload: measureReupload,
  first: measureFirstUpload,
  releases: measureReleases,
  download: measureDownload,
  'big-file': measureBigFile,
  diff: measureDiff,
  many: measureManyFiles,
}

interface UploadReport {
  artifactId: number
  sentBytes: number
}

interface TroveClient {
  run(args: string[]): Promise<ProgramRun>
  upload(
    name: string,
    run: number,
    directory: string,
    flags?: string[],
  ): Promise<ProgramRun & { report: UploadReport }>
}

async function clientOf(store: BenchStore, cache: string): Promise<TroveClient> {
  const token = await store.trove.token(['--project', 'octo/demo', '--scope', 'write'])
  const env = {
    TROVE_URL: store.trove.url,
    TROVE_TOKEN: token,
    TROVE_PROJECT: 'octo/demo',
    TROVE_CACHE_DIR: cache,
    CI: '1',
  }
  const run = async (args: string[]): Promise<ProgramRun> =>
    await runProgram(process.execPath, [...heap, program, ...args], { env })
  return {
    run,
    upload: async (name, runNumber, directory, flags = []) => {
      const words = [
        'upload',
        name,
        directory,
        '--include-hidden',
        '--json',
        '--run',
        String(runNumber),
        ...flags,
      ]
      const ran = await run(words)
      return { ...ran, report: JSON.parse(ran.stdout) as UploadReport }
    },
  }
}

async function restic(directory: string, words: string[]): Promise<ProgramRun> {
  const env = { RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(directory, 'cache') }
  return await runProgram(
    'restic',
    ['--repo', join(directory, 'repository'), '--quiet', ...words],
    { env },
  )
}

/** 1. The same tree again: with warm stat caches, and with files that must be read again. */
async function measureReupload(): Promise<void> {
  const tree = await fetchNativeTree()
  await withScratch(async (scratch) => {
    await restic(scratch, ['init'])
    await restic(scratch, ['backup', tree])
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      await client.upload('tree', 1, tree)
      let run = 1
      let sentBytes = 0
      let peakRssBytes = 0
      const again = async (): Promise<Sample> => {
        run += 1
        const ran = await client.upload('tree', run, tree)
        sentBytes = Math.max(sentBytes, ran.report.sentBytes)
        peakRssBytes = Math.max(peakRssBytes, ran.peakRssBytes)
        return { seconds: ran.seconds }
      }
      const summaries = await interleave(
        {
          'trove, warm': again,
          'restic, warm': async () => ({
            seconds: (await restic(scratch, ['backup', tree])).seconds,
          }),
          'trove, read again': async () => {
            await rm(join(scratch, 'stat'), { recursive: true, force: true })
            return await again()
          },
          'restic, read again': async () => ({
            seconds: (await restic(scratch, ['backup', '--force', tree])).seconds,
          }),
        },
        rounds,
      )
      const rows = Object.entries(summaries).map(([name, { seconds }]) => [
        name,
        formatSummary(seconds!),
      ])
      console.log(formatTable(['', 'seconds'], rows))
      const of = (name: keyof typeof summaries): number => summaries[name]['seconds']!.median
      console.log(
        `\nwarm ${(of('trove, warm') / of('restic, warm')).toFixed(2)} of restic, read again ` +
          `${(of('trove, read again') / of('restic, warm')).toFixed(2)} of restic's second backup and ` +
          `${(of('trove, read again') / of('restic, read again')).toFixed(2)} of its forced one; ` +
          `most bytes sent ${sentBytes}; peak RSS client ${megabytes(peakRssBytes)}, server ${megabytes(store.peakRssBytes())} MB`,
      )
    })
  })
}

/** 2. First uploads, each into a store that has had one other artifact, since a server is not begun for each upload: the
 *  code it runs is compiled by then. Stored bytes are those of the packs. */
async function measureFirstUpload(): Promise<void> {
  const tree = await fetchNativeTree()
  const [other] = await fetchReleases('next')
  const trove = (flags: string[]) => async (): Promise<Sample> =>
    await withScratch(
      async (scratch) =>
        await withStore(async (store) => {
          const client = await clientOf(store, join(scratch, 'stat'))
          await client.upload('other', 1, other!)
          const before = await store.packBytes()
          const { seconds, peakRssBytes, report } = await client.upload('tree', 1, tree, flags)
          const serverRss = store.peakRssBytes()
          const packs = (await store.packBytes()) - before
          return { seconds, sent: report.sentBytes, packs, clientRss: peakRssBytes, serverRss }
        }),
    )
  const summaries = await interleave(
    {
      trove: trove([]),
      'trove, level 1': trove(['--compression-level', '1']),
      restic: async () =>
        await withScratch(async (scratch) => {
          await restic(scratch, ['init'])
          const { seconds, peakRssBytes } = await restic(scratch, ['backup', tree])
          const bytes = await directoryBytes(join(scratch, 'repository'))
          return { seconds, sent: bytes, packs: bytes, clientRss: peakRssBytes, serverRss: 0 }
        }),
    },
    rounds,
  )
  const rows = Object.entries(summaries).map(([name, figures]) => [
    name,
    formatSummary(figures['seconds']!),
    megabytes(figures['sent']!.median),
    megabytes(figures['packs']!.median),
    megabytes(figures['clientRss']!.max),
    megabytes(figures['serverRss']!.max),
  ])
  console.log(
    formatTable(['', 'seconds', 'sent MB', 'stored MB', 'client RSS MB', 'server RSS MB'], rows),
  )
}

/** 2. Five releases, metadata included on all sides. */
async function measureReleases(): Promise<void> {
  const releases = await fetchReleases('next')
  await withScratch(async (scratch) => {
    await restic(scratch, ['init'])
    const borg = join(scratch, 'borg')
    const env = {
      BORG_BASE_DIR: join(scratch, 'borg-base'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    }
    await runProgram('borg', ['init', '--encryption', 'none', borg], { env })
    for (const release of releases) {
      await restic(scratch, ['backup', release])
      await runProgram(
        'borg',
        ['create', '--compression', 'zstd', `${borg}::${basename(release)}`, release],
        { env },
      )
    }
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      for (const [index, release] of releases.entries())
        await client.upload('next', index + 1, release)
      const packs = await store.packBytes()
      const trove = await store.stopAndMeasure()
      const resticBytes = await directoryBytes(join(scratch, 'repository'))
      const rows = [
        ['trove', megabytes(trove), `${megabytes(packs)} in packs`],
        ['restic', megabytes(resticBytes), (trove / resticBytes).toFixed(2)],
        [
          'borg, zstd',
          megabytes(await directoryBytes(borg)),
          (trove / (await directoryBytes(borg))).toFixed(2),
        ],
      ]
      console.log(formatTable(['', 'MB', 'trove is'], rows))
    })
  })
}

/** 3. Downloads into an empty directory, and again after one file in a hundred changed. */
async function measureDownload(): Promise<void> {
  const tree = await fetchNativeTree()
  await withScratch(async (scratch) => {
    await restic(scratch, ['init'])
    await restic(scratch, ['backup', tree])
    const changed = join(scratch, 'changed')
    await copyTree(tree, changed)
    await changeEveryHundredth(changed)
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      const before = (await client.upload('before', 1, tree)).report.artifactId
      const after = (await client.upload('after', 1, changed)).report.artifactId
      const target = join(scratch, 'target')
      let peakRssBytes = 0
      const fresh = (work: () => Promise<ProgramRun>) => async (): Promise<Sample> => {
        await rm(target, { recursive: true, force: true })
        const ran = await work()
        peakRssBytes = Math.max(peakRssBytes, ran.peakRssBytes)
        return { seconds: ran.seconds }
      }
      const summaries = await interleave(
        {
          restic: fresh(
            async () => await restic(scratch, ['restore', 'latest', '--target', target]),
          ),
          'cp -r': fresh(async () => await runProgram('cp', ['-r', tree, target])),
          trove: fresh(async () => await client.run(['download', `id:${before}`, target])),
          'trove, 1 % changed': async () => {
            await client.run(['download', `id:${before}`, target, '--delete'])
            return { seconds: (await client.run(['download', `id:${after}`, target])).seconds }
          },
        },
        rounds,
      )
      const whole = summaries['trove']['seconds']!.median
      const rows = Object.entries(summaries).map(([name, { seconds }]) => [
        name,
        formatSummary(seconds!),
        (seconds!.median / whole).toFixed(2),
      ])
      console.log(formatTable(['', 'seconds', 'of the full download'], rows))
      console.log(
        `\npeak RSS client ${megabytes(peakRssBytes)}, server ${megabytes(store.peakRssBytes())} MB`,
      )
    })
  })
}

/** 3. A 2 GiB file of which one megabyte changed. */
async function measureBigFile(): Promise<void> {
  const source = await generateBigFile(2 * 1024 ** 3)
  await withScratch(async (scratch) => {
    const directory = join(scratch, 'big')
    await runProgram('mkdir', [directory])
    await runProgram('cp', [source, join(directory, 'file')])
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      const target = join(scratch, 'target')
      const first = await client.upload('first', 1, directory)
      const down = await client.run(['download', `id:${first.report.artifactId}`, target, '--json'])
      await changeMegabyte(join(directory, 'file'))
      const second = await client.upload('second', 1, directory)
      const again = await client.run([
        'download',
        `id:${second.report.artifactId}`,
        target,
        '--json',
      ])
      const fetched = (ran: ProgramRun): number =>
        (JSON.parse(ran.stdout) as { fetchedBytes: number }).fetchedBytes
      const rows = [
        [
          'upload',
          first.seconds.toFixed(1),
          megabytes(first.report.sentBytes),
          megabytes(first.peakRssBytes),
        ],
        [
          'download',
          down.seconds.toFixed(1),
          megabytes(fetched(down)),
          megabytes(down.peakRssBytes),
        ],
        [
          'upload, 1 MB changed',
          second.seconds.toFixed(1),
          megabytes(second.report.sentBytes),
          megabytes(second.peakRssBytes),
        ],
        [
          'download, 1 MB changed',
          again.seconds.toFixed(1),
          megabytes(fetched(again)),
          megabytes(again.peakRssBytes),
        ],
      ]
      console.log(formatTable(['', 'seconds', 'MB on the wire', 'client RSS MB'], rows))
      console.log(`\nserver peak RSS ${megabytes(store.peakRssBytes())} MB`)
    })
  })
}

/** 7. `trove diff` of two artifacts of 50,000 entries. */
async function measureDiff(): Promise<void> {
  const tree = await generateSmallFiles(50_000, 1024)
  await withScratch(async (scratch) => {
    const changed = join(scratch, 'changed')
    await copyTree(tree, changed)
    await changeEveryHundredth(changed)
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      const a = (await client.upload('a', 1, tree)).report.artifactId
      const b = (await client.upload('b', 1, changed)).report.artifactId
      // Status 1 says that they differ, which `runProgram` takes for a failure; the budget answers 0 or 11.
      const shell = `"$0" "$1" diff id:${a} id:${b} --stat || [ $? = 1 ]`
      const token = await store.trove.token(['--project', 'octo/demo', '--scope', 'read'])
      const env = { TROVE_URL: store.trove.url, TROVE_TOKEN: token, TROVE_PROJECT: 'octo/demo' }
      const { diff } = await interleave(
        {
          diff: async () => ({
            seconds: (await runProgram('sh', ['-c', shell, process.execPath, program], { env }))
              .seconds,
          }),
        },
        rounds,
      )
      console.log(`seconds ${formatSummary(diff['seconds']!)}`)
    })
  })
}

/** 4. Memory with 300,000 files. */
async function measureManyFiles(): Promise<void> {
  const tree = await generateSmallFiles(300_000, 512)
  await withScratch(async (scratch) => {
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      const root = join(scratch, 'root')
      await symlink(tree, root)
      const first = await client.upload('many', 1, root)
      const again = await client.upload('many', 2, root)
      const down = await client.run([
        'download',
        `id:${first.report.artifactId}`,
        join(scratch, 'target'),
      ])
      const rows = Object.entries({ upload: first, 'upload again': again, download: down }).map(
        ([name, ran]) => [name, ran.seconds.toFixed(1), megabytes(ran.peakRssBytes)],
      )
      console.log(formatTable(['', 'seconds', 'client RSS MB'], rows))
      console.log(`\nserver peak RSS ${megabytes(store.peakRssBytes())} MB`)
    })
  })
}
