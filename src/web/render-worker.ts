/** The thread behind `renderer.ts`. */
import { answerRequests } from '../worker-thread.ts'
import { renderTask } from './rendering.tsx'

await answerRequests(() => ({ answer: renderTask }))
