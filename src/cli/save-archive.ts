/** Saves an artifact as one archive, to a file or stdout. */
import { resolve } from 'node:path'
import { saveAs } from '../client/files/save-as.ts'
import { readArtifact } from '../client/find-artifact.ts'
import { readArchive } from '../client/whole-artifact.ts'
import { parseArtifactName } from '../core/artifact.ts'
import type { Reference } from '../core/reference.ts'
import { formatSizeBytes } from '../core/units.ts'
import { writeOutputs, writeSummary } from './output/job-report.ts'
import { printable, write, writeJson } from './output/output.ts'
import { createProgress } from './output/progress.ts'
import type { ServerContext } from './server-access.ts'

export const archiveFormats = ['zip', 'tar.gz'] as const
export type ArchiveFormat = (typeof archiveFormats)[number]

interface Saving {
  flags: { path: readonly string[]; output: string | undefined; json: boolean }
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  signal: AbortSignal
}

/** The file gets its name only when it is complete. Errors: FileError, invalid_name (from a
 *  misbehaving server), and those of `readArtifact` and `readArchive`. */
export async function saveArchive(
  { server, project, config, progress: ofServer }: ServerContext,
  { flags: given, stdout, stderr, signal }: Saving,
  { reference, format }: { reference: Reference; format: ArchiveFormat },
): Promise<void> {
  const artifact = await readArtifact(server, reference, { project, signal })
  const wanted = { artifactId: artifact.id, format, paths: given.path }
  // What reads stdout may write to the terminal, too.
  const progress = given.output === '-' ? createProgress(stderr, { bars: false }) : ofServer
  let receivedBytes = 0
  const body = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of readArchive(server, wanted, signal)) {
      receivedBytes += chunk.length
      progress.show([{ label: 'Receiving', doneBytes: receivedBytes, totalBytes: 0 }])
      yield chunk
    }
  }
  try {
    if (given.output === '-') {
      // Waits for each piece, so that ending the process does not cut off what the pipe has not
      // taken.
      for await (const chunk of body()) await write(stdout, chunk)
      return
    }
    const target = resolve(given.output ?? `${parseArtifactName(artifact.name)}.${format}`)
    await saveAs(target, body())
    progress.finish()
    const { id, name } = artifact
    const size = formatSizeBytes(receivedBytes)
    await writeOutputs(config, { 'download-path': target })
    await writeSummary(config, `Downloaded ${name}`, [
      ['received', size],
      ['to', target],
    ])
    if (given.json)
      await writeJson(stdout, { artifactId: id, name, format, bytes: receivedBytes, file: target })
    await write(stderr, `${printable(name)}  ${size}  ${printable(target)}\n`)
  } finally {
    progress.finish()
  }
}
