/** Downloads, comparisons and memory of the native client. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { generateBigFile, generateSmallFiles } from './corpora.ts'
import {
  formatSummary,
  formatTable,
  interleave,
  megabytes,
  type ProgramRun,
  runProgram,
  type Sample,
} from './measure.ts'
import { clientOf, program, restic, rounds } from './native-client.ts'
import { changeEveryHundredth, changeMegabyte, copyTree, fetchNativeTree } from './native-tree.ts'
import { withScratch, withStore } from './scratch.ts'

/** Downloads into an empty directory, and again after one file in a hundred changed. Each download
 *  has its own directory, and none is removed before the end: for minutes after a removal ext4
 *  skips the freed inodes, which slows down whatever runs next. CPU time is that of client and
 *  server. */
export async function measureDownload(): Promise<void> {
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
      let targets = 0
      let target = ''
      let peakRssBytes = 0
      const timed = async (work: () => Promise<ProgramRun>): Promise<Sample> => {
        const serverCpu = store.cpuSeconds()
        const ran = await work()
        peakRssBytes = Math.max(peakRssBytes, ran.peakRssBytes)
        return { seconds: ran.seconds, cpu: ran.cpuSeconds + store.cpuSeconds() - serverCpu }
      }
      const fresh = (work: () => Promise<ProgramRun>) => async (): Promise<Sample> => {
        targets += 1
        target = join(scratch, `target-${targets}`)
        return await timed(work)
      }
      const full = fresh(async () => await client.run(['download', `id:${before}`, target]))
      const summaries = await interleave(
        {
          restic: fresh(
            async () => await restic(scratch, ['restore', 'latest', '--target', target]),
          ),
          'cp -r': fresh(async () => await runProgram('cp', ['-r', tree, target])),
          trove: full,
          'trove, 1 % changed': async () => {
            await full()
            return await timed(async () => await client.run(['download', `id:${after}`, target]))
          },
        },
        rounds,
      )
      const whole = summaries['trove']['seconds']!.median
      const rows = Object.entries(summaries).map(([name, { seconds, cpu }]) => [
        name,
        formatSummary(seconds!),
        (seconds!.median / whole).toFixed(2),
        formatSummary(cpu!),
      ])
      console.log(formatTable(['', 'seconds', 'vs full download', 'CPU seconds'], rows))
      console.log(
        `\npeak RSS client ${megabytes(peakRssBytes)} MB, server ${megabytes(store.peakRssBytes())} MB`,
      )
    })
  })
}

/** A 2 GiB file of which one megabyte changed. */
export async function measureBigFile(): Promise<void> {
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

/** `trove diff` of two artifacts of 50,000 entries. */
export async function measureDiff(): Promise<void> {
  const tree = await generateSmallFiles(50_000, 1024)
  await withScratch(async (scratch) => {
    const changed = join(scratch, 'changed')
    await copyTree(tree, changed)
    await changeEveryHundredth(changed)
    await withStore(async (store) => {
      const client = await clientOf(store, join(scratch, 'stat'))
      const a = (await client.upload('a', 1, tree)).report.artifactId
      const b = (await client.upload('b', 1, changed)).report.artifactId
      // Status 1 means that they differ, which `runProgram` would take for a failure.
      const shell = `"$0" "$1" diff id:${a} id:${b} --stat || [ $? = 1 ]`
      const token = await store.trove.token(['--project', 'octo/demo', '--scope', 'read'])
      const env = { TROVE_URL: store.trove.url, TROVE_TOKEN: token, TROVE_PROJECT: 'octo/demo' }
      const summaries = await interleave(
        {
          diff: async () => {
            const serverCpu = store.cpuSeconds()
            // The shell costs nothing that counts: it only waits.
            const { seconds } = await runProgram('sh', ['-c', shell, process.execPath, program], {
              env,
            })
            return { seconds, serverCpu: store.cpuSeconds() - serverCpu }
          },
        },
        rounds,
      )
      const { seconds, serverCpu } = summaries.diff
      console.log(
        `seconds ${formatSummary(seconds!)}, including server CPU seconds ${formatSummary(serverCpu!)}`,
      )
    })
  })
}

/** Memory with 300,000 files. */
export async function measureManyFiles(): Promise<void> {
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
