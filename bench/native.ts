/** Compares the native client with restic, borg and cp: what is promised of `trove upload` and
 *  `trove download`. The candidates take turns in one run. The server's time counts as ours, since
 *  both share the machine. */
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fetchReleases, generateSmallFiles } from './corpora.ts'
import {
  directoryBytes,
  formatSummary,
  formatTable,
  interleave,
  megabytes,
  type Parts,
  runProgram,
  type Sample,
} from './measure.ts'
import { clientOf, restic, rounds } from './native-client.ts'
import {
  measureBigFile,
  measureDiff,
  measureDownload,
  measureManyFiles,
} from './native-download.ts'
import { changeEveryHundredth, copyTree, fetchNativeTree } from './native-tree.ts'
import { withScratch, withStore } from './scratch.ts'

export const nativeParts: Parts = {
  reupload: measureReupload,
  changed: measureChangedUpload,
  first: measureFirstUpload,
  releases: measureReleases,
  download: measureDownload,
  'big-file': measureBigFile,
  diff: measureDiff,
  many: measureManyFiles,
}

/** The same tree again: with a warm stat cache, and with files that must be read again. */
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
        `\ntime relative to restic: warm ${(of('trove, warm') / of('restic, warm')).toFixed(2)}, read again ` +
          `${(of('trove, read again') / of('restic, warm')).toFixed(2)} of its warm backup and ` +
          `${(of('trove, read again') / of('restic, read again')).toFixed(2)} of its forced one; ` +
          `at most ${sentBytes} bytes sent; peak RSS client ${megabytes(peakRssBytes)} MB, server ${megabytes(store.peakRssBytes())} MB`,
      )
    })
  })
}

/** The same tree after one file in a hundred changed, with a warm stat cache. */
async function measureChangedUpload(): Promise<void> {
  const tree = await fetchNativeTree()
  await withScratch(async (scratch) => {
    const changing = join(scratch, 'changing')
    await copyTree(tree, changing)
    await restic(scratch, ['init'])
    await restic(scratch, ['backup', changing])
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      await client.upload('tree', 1, changing)
      let run = 1
      let sentBytes = 0
      let peakRssBytes = 0
      const summaries = await interleave(
        {
          trove: async () => {
            await changeEveryHundredth(changing)
            run += 1
            const ran = await client.upload('tree', run, changing)
            sentBytes = Math.max(sentBytes, ran.report.sentBytes)
            peakRssBytes = Math.max(peakRssBytes, ran.peakRssBytes)
            return { seconds: ran.seconds }
          },
          restic: async () => {
            await changeEveryHundredth(changing)
            return { seconds: (await restic(scratch, ['backup', changing])).seconds }
          },
        },
        rounds,
      )
      const rival = summaries['restic']['seconds']!.median
      const rows = Object.entries(summaries).map(([name, { seconds }]) => [
        name,
        formatSummary(seconds!),
        (seconds!.median / rival).toFixed(2),
      ])
      console.log(formatTable(['', 'seconds', 'time vs restic'], rows))
      console.log(
        `\n${megabytes(sentBytes)} MB sent; peak RSS client ${megabytes(peakRssBytes)} MB, server ${megabytes(store.peakRssBytes())} MB`,
      )
    })
  })
}

/** First uploads, each into a store that has received one other artifact, so that the server's code
 *  is compiled, as in practice. That artifact shares no content with the tree. Stored bytes are
 *  those of the packs. */
async function measureFirstUpload(): Promise<void> {
  const tree = await fetchNativeTree()
  const other = await generateSmallFiles(20_000, 4096)
  const trove = (flags: string[]) => async (): Promise<Sample> =>
    await withScratch(
      async (scratch) =>
        await withStore(async (store) => {
          const client = await clientOf(store, join(scratch, 'stat'))
          await client.upload('other', 1, other)
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

/** Five releases, including metadata on all sides. */
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
      console.log(formatTable(['', 'MB', 'trove relative to it'], rows))
    })
  })
}
