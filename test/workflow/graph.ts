/** A graph of jobs that hand artifacts from layer to layer, and what its events tell about starting. */
import type { RunEvent } from '../../src/workflow/events.ts'

/** `layers` times `width` jobs; each takes the artifacts of two jobs of the layer before. */
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

/** Milliseconds from the end of a job's last need to its own start, by job. */
export function startDelays(events: RunEvent[]): Map<string, number> {
  const finished = new Map<string, number>()
  const delays = new Map<string, number>()
  let runStarted = 0
  for (const event of events) {
    if (event.type === 'run-started') runStarted = event.at
    if (event.type === 'job-finished') finished.set(event.job.id, event.at)
    if (event.type === 'job-started') {
      const met = event.needs.map((need) => finished.get(need) ?? Number.POSITIVE_INFINITY)
      delays.set(event.job.id, event.at - Math.max(runStarted, ...met))
    }
  }
  return delays
}
