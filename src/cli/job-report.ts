/** What a command leaves with a GitHub-style job: outputs of the step, and lines of the job's summary. Outside of a job
 *  there are no such files, and nothing happens. */
import { randomUUID } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import type { ClientConfig } from '../client-config.ts'

type JobFiles = Pick<ClientConfig, 'outputFile' | 'summaryFile'>

/** Values of one line are written plainly, others between two delimiters that nobody can guess: what comes after a line
 *  feed would be read as an output of its own. */
export async function writeOutputs(
  { outputFile }: JobFiles,
  outputs: Record<string, string>,
): Promise<void> {
  if (outputFile === null) return
  const lines = Object.entries(outputs).map(([name, value]) => {
    if (!/[\r\n]/.test(value)) return `${name}=${value}\n`
    const delimiter = `trove_${randomUUID()}`
    return `${name}<<${delimiter}\n${value}\n${delimiter}\n`
  })
  await appendFile(outputFile, lines.join(''))
}

/** A Markdown table of two columns under a heading. */
export async function writeSummary(
  { summaryFile }: JobFiles,
  heading: string,
  rows: [string, string][],
): Promise<void> {
  if (summaryFile === null) return
  const cells = rows.map(([name, value]) => `| ${escapeCell(name)} | ${escapeCell(value)} |\n`)
  await appendFile(summaryFile, `### ${heading}\n\n| | |\n|---|---|\n${cells.join('')}\n`)
}

function escapeCell(text: string): string {
  // A backslash takes what follows it as it is, and is gone, as in `D:\_temp`.
  return text.replaceAll(/[\\|]/g, String.raw`\$&`).replaceAll('\n', ' ')
}
