/** Reports results to a GitHub-style job: outputs of the step, and rows of the job's summary. A
 *  no-op outside a job, where these files do not exist. */
import { randomUUID } from 'node:crypto'
import { appendFile } from 'node:fs/promises'
import { asWriteError } from '../../client/files/file-error.ts'
import type { ClientConfig } from '../../config/client-config.ts'

type JobFiles = Pick<ClientConfig, 'outputFile' | 'summaryFile'>

/** Single-line values are written plainly, others between delimiters that cannot be guessed: a
 *  line feed would otherwise let the rest of a value set another output. */
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
  await append(outputFile, lines.join(''))
}

/** Appends a two-column Markdown table under a heading. */
export async function writeSummary(
  { summaryFile }: JobFiles,
  heading: string,
  rows: [string, string][],
): Promise<void> {
  if (summaryFile === null) return
  const cells = rows.map(([name, value]) => `| ${escapeCell(name)} | ${escapeCell(value)} |\n`)
  await append(summaryFile, `### ${heading}\n\n| | |\n|---|---|\n${cells.join('')}\n`)
}

/** Errors: FileError. */
async function append(path: string, text: string): Promise<void> {
  try {
    await appendFile(path, text)
  } catch (error) {
    throw asWriteError(path, error)
  }
}

function escapeCell(text: string): string {
  // Markdown consumes a backslash and takes the next character literally, as in `D:\_temp`.
  return text.replaceAll(/[\\|]/g, String.raw`\$&`).replaceAll('\n', ' ')
}
