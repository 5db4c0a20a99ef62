/** The thread behind `runInBackground`: runs tasks with its own connection to the metadata and
 *  its own pack store. */
import { workerData } from 'node:worker_threads'
import { openSqliteMetadata } from '../../metadata/sqlite/sqlite.ts'
import { openPackStore } from '../../packs/open-pack-store.ts'
import { answerRequests } from '../../worker-thread.ts'
import { backUp } from '../backup/backup.ts'
import type { BackgroundNotice, BackgroundPlaces, BackgroundTask } from './background.ts'
import { planCollection } from '../collect/collect.ts'
import { scanForSecrets } from '../secret-scan.ts'
import { rebuildFromPacks } from '../recovery/rebuild.ts'
import { type ScrubFinding, scrub } from '../scrub/scrub.ts'

await answerRequests<BackgroundTask, object, BackgroundNotice>(async () => {
  const { databasePath, packPlace, sharedLog } = workerData as BackgroundPlaces
  const metadata = openSqliteMetadata({ path: databasePath, sharedLog, isCollector: false })
  const packs = await openPackStore(packPlace)
  return {
    answer: async ({ kind, options }, { stop, notify }) => {
      const ports = { metadata, packs, now: Date.now, signal: stop.signal }
      const onProgress = seldom((progress: object) => notify({ progress }))
      if (kind === 'plan')
        return await planCollection({ ...ports, now: () => options.now }, options)
      if (kind === 'secrets') return await scanForSecrets(ports, options)
      if (kind === 'backup') return await backUp(ports, { ...options, onProgress })
      if (kind === 'import') {
        const { settings, expiresAt } = options
        const { signal } = stop
        return await rebuildFromPacks({ ...ports, settings }, { expiresAt, signal, onProgress })
      }
      const onFinding = (finding: ScrubFinding): void => notify({ finding })
      return await scrub(ports, { ...options, onProgress, onFinding })
    },
    close: async () => {
      await packs.close()
      await metadata.close()
    },
  }
})

/** Each notice is work for the main thread, and some steps take microseconds. */
const noticeMs = 100

function seldom<T>(notify: (value: T) => void): (value: T) => void {
  let notifiedAt = -Infinity
  return (value) => {
    if (performance.now() - notifiedAt < noticeMs) return
    notifiedAt = performance.now()
    notify(value)
  }
}
