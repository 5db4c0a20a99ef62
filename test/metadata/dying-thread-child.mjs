/** A process whose metadata thread ends unexpectedly. */
import { Worker } from 'node:worker_threads'
import { openMetadataWorker } from '../../dist/src/metadata/sqlite/thread/sqlite-worker.js'

const { postMessage } = Worker.prototype
Worker.prototype.postMessage = function (...args) {
  void this.terminate()
  return postMessage.apply(this, args)
}
const metadata = await openMetadataWorker({ path: process.argv[2] })
metadata.figures().catch(() => {})
// Much longer than the thread takes to end.
setTimeout(() => {}, 20_000)
