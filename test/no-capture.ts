import type { PageCapture } from '../src/metadata/metadata.ts'

/** Of servers without a log keeper. */
export const noCapture: PageCapture = {
  recordBytes: 4100,
  start: () => Promise.reject(new Error('there is no log keeper')),
  repeat: () => Promise.reject(new Error('there is no log keeper')),
  flush: () => Promise.reject(new Error('there is no log keeper')),
  stop: () => {},
}
