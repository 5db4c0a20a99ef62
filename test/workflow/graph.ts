/** A graph of jobs that pass artifacts from layer to layer, and a sink that measures start
 *  delays. */
import type { RunSink } from '../../src/workflow/events.ts'

/** Returns a workflow of `layers` × `width` jobs; each downloads the artifacts of two jobs of the
 *  layer before. */
export function graphWorkflow(layers: number, width: number): string {
  const jobs = Array.from({ length: layers * width }, (_, n) => {
    const layer = Math.floor(n / width)
    const before = layer === 0 ? [] : [n - width, layer * width - 1 - (n % width)]
    const needs = [...new Set(before)].map((need) => `j${need}`)
    const downloads = needs.map(
      (need) => `      - {uses: actions/download-artifact@v8, with: {name: ${need}, path: in}}\n`,
    )
    return `
  j${n}:
    runs-on: x
    needs: [${needs.join(', ')}]
    steps:
${downloads.join('')}      - run: echo ${n} > out.txt
      - {uses: actions/upload-artifact@v7, with: {name: j${n}, path: out.txt}}`
  })
  return `on: push\njobs:${jobs.join('')}\n`
}

/** Measures in turns of the event loop how long after the end of its last need each job starts.
 *  Time would measure the load of the machine instead. */
export function watchStarts(): { sink: RunSink; waits: Map<string, number> } {
  let turn = 0
  const finishedIn = new Map<string, number>()
  /** Turns waited, by job. */
  const waits = new Map<string, number>()
  const sink: RunSink = (event) => {
    if (event.type === 'job-finished') {
      finishedIn.set(event.job.id, turn)
      setImmediate(() => {
        turn += 1
      })
    }
    if (event.type === 'job-started' && event.needs.length > 0) {
      const needsFinishedIn = event.needs.map(
        (need) => finishedIn.get(need) ?? Number.NEGATIVE_INFINITY,
      )
      waits.set(event.job.id, turn - Math.max(...needsFinishedIn))
    }
  }
  return { sink, waits }
}
