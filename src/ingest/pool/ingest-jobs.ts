/** What a thread of the ingest pool does: runs jobs, with its own metadata connection and its own
 *  pack store. */
import { createReadStream } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { openSqliteMetadata } from '../../metadata/sqlite/sqlite.ts'
import { openPackStore } from '../../packs/open-pack-store.ts'
import { openPlaceCheck } from '../../packs/pack-place.ts'
import { createWatermark, keepingRoom, readDisk } from '../../packs/watermark.ts'
import type { Answering, Call } from '../../worker-thread.ts'
import { type BodyChunk, receiveBody } from './body-channel.ts'
import { createLateEnds } from './late-ends.ts'
import { ingest } from '../ingest.ts'
import { negotiate } from '../negotiated/negotiate.ts'
import type { IngestWorkerData, PoolAnswer, PoolRequest } from './pool-job.ts'
import type { IngestPorts } from '../session.ts'

function openBody(body: PoolRequest['body'], call: Call<number, BodyChunk>): Readable | undefined {
  if (body === 'none') return undefined
  if (body === 'follows') return receiveBody(call)
  return addAbortSignal(call.stop.signal, createReadStream(body.path, { highWaterMark: readBytes }))
}

const readBytes = 256 * 1024

export async function openIngestJobs({
  databasePath,
  packPlace,
  dataDir,
  minFreeBytes,
  sharedLog,
  settings,
}: IngestWorkerData): Promise<Answering<PoolRequest, PoolAnswer, number, BodyChunk>> {
  const metadata = openSqliteMetadata({
    path: databasePath,
    sharedLog,
    quota: settings.quota,
    isCollector: false,
  })
  const lateEnds = createLateEnds(metadata.abortSession)
  const placeCheck = await openPlaceCheck(dataDir, packPlace)
  const packs = await openPackStore(packPlace, placeCheck.requireOwn)
  const readFree = async (): Promise<number> => (await readDisk(dataDir)).freeBytes
  const requireRoom = createWatermark(minFreeBytes, readFree)
  const ports: IngestPorts = {
    metadata: {
      ...metadata,
      abortSession: lateEnds.end,
      // Staging a manifest needs space too: one whose million files are all stored already writes
      // no pack.
      stageManifestPage: async (...page) => {
        await requireRoom()
        return await metadata.stageManifestPage(...page)
      },
    },
    // A bucket's packs do not use this disk.
    packs: packPlace.kind === 'directory' ? keepingRoom(packs, requireRoom) : packs,
    settings,
    now: () => Date.now(),
  }
  return {
    answer: async (request, call) => {
      const { job } = request
      const body = openBody(request.body, call)
      const source = { body, signal: call.stop.signal }
      try {
        return await ('step' in job ? negotiate(ports, job, source) : ingest(ports, job, source))
      } finally {
        // A job that fails early stops reading, which alone closes no file.
        body?.destroy()
      }
    },
    close: async () => {
      lateEnds.close()
      await Promise.all([metadata.close(), packs.close()])
      placeCheck.close()
    },
  }
}
