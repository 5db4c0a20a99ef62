/** The thread behind `renderer.ts`: one task, one answer. Whatever is thrown is a bug, and ends the thread. */
import { parentPort } from 'node:worker_threads'
import { type RenderTask, renderTask } from './rendering.tsx'

if (parentPort === null) throw new Error('this file is the code of a worker thread')
const port = parentPort
port.on('message', (task: RenderTask) => {
  void renderTask(task).then((rendered) => port.postMessage(rendered))
})
