/** Entry point of the thread that `renderer.ts` starts. */
import { answerRequests } from '../worker-thread.ts'
import { renderTask } from './rendering.tsx'

await answerRequests(() => ({ answer: renderTask }))
