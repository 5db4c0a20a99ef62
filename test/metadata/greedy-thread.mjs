/** A thread that writes transactions of 20 ms each without a pause until it is stopped. */
import { parentPort, workerData } from 'node:worker_threads'
import { openConnection } from '../../dist/src/metadata/sqlite/connection/connection.js'

const { path, sharedLog, stop } = workerData
const connection = openConnection({ path, sharedLog })
const touch = connection.prepare('UPDATE totals SET packs = packs WHERE scope = 0')
parentPort.postMessage('writing')
while (Atomics.load(stop, 0) === 0) {
  connection.stage(() => {
    touch.run()
    Atomics.wait(stop, 0, 0, 20)
  })
}
connection.close()
parentPort.close()
