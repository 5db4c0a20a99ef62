/** Scratch directories and stores of a benchmark, on the disk that holds the corpora. Removed at
 *  the end. */
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { startTrove, type TroveProcess } from '../test/clients/trove-process.ts'
import { corporaDirectory } from './corpora.ts'
import { directoryBytes, readCpuSeconds, readPeakRss } from './measure.ts'

export async function withScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  await mkdir(corporaDirectory(), { recursive: true })
  const directory = await mkdtemp(join(corporaDirectory(), '.scratch-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export interface BenchStore {
  trove: TroveProcess
  token: string
  /** Sum of the apparent sizes of all packs. */
  packBytes(): Promise<number>
  /** Bytes of packs and database, without the reserve kept for a full disk. Stops the server, which
   *  checkpoints its write-ahead log. */
  stopAndMeasure(): Promise<number>
  peakRssBytes(): number
  cpuSeconds(): number
}

/** Runs `work` with a new server and an empty store. */
export async function withStore<T>(work: (store: BenchStore) => Promise<T>): Promise<T> {
  return await withScratch(async (directory) => {
    const data = join(directory, 'data')
    const trove = await startTrove(data)
    try {
      return await work({
        trove,
        token: await trove.token(),
        packBytes: () => directoryBytes(join(data, 'cas', 'packs')),
        stopAndMeasure: async () => {
          await trove.stop()
          const { size } = await stat(join(data, 'trove.db'))
          return size + (await directoryBytes(join(data, 'cas')))
        },
        peakRssBytes: () => readPeakRss(trove.pid),
        cpuSeconds: () => readCpuSeconds(trove.pid),
      })
    } catch (error) {
      throw new Error(`server log: ${trove.log().slice(-2000)}`, { cause: error })
    } finally {
      await trove.stop()
    }
  })
}
