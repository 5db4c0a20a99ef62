/** Scratch directories and stores of a bench, on the disk that holds the corpora, gone when the bench is done. */
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
  /** Apparent bytes of all packs. */
  packBytes(): Promise<number>
  /** The same with the database, without what is kept free for a full disk. Stops the server, whose write-ahead log is
   *  folded in by that. */
  stopAndMeasure(): Promise<number>
  peakRssBytes(): number
  cpuSeconds(): number
}

/** A server of its own with an empty store. */
export async function withStore<T>(work: (store: BenchStore) => Promise<T>): Promise<T> {
  return await withScratch(async (directory) => {
    const data = join(directory, 'data')
    // As `npm start` and the unit of the README have it.
    const trove = await startTrove(data, { MALLOC_ARENA_MAX: '1' })
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
      throw new Error(`the server said: ${trove.log().slice(-2000)}`, { cause: error })
    } finally {
      await trove.stop()
    }
  })
}
