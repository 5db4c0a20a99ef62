/** Runs `@actions/glob` in a worker thread: it prints a `::debug::` line on standard output for every step it takes,
 *  and standard output belongs to the program's results. The thread's own output is caught by its owner. */
import { stat } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import { create, hashFiles } from '@actions/glob'
import type { GlobAnswer, GlobRequest } from './glob.ts'

async function answer(request: GlobRequest): Promise<GlobAnswer> {
  if (request.kind === 'hash') {
    const options = { followSymbolicLinks: request.followSymbolicLinks }
    return { kind: 'hash', hash: await hashFiles(request.patterns, request.directory, options) }
  }
  // The options of actions/upload-artifact.
  const globber = await create(request.patterns, {
    followSymbolicLinks: true,
    implicitDescendants: true,
    omitBrokenSymbolicLinks: true,
    excludeHiddenFiles: !request.includeHidden,
  })
  const files: string[] = []
  for await (const path of globber.globGenerator()) {
    if (!(await stat(path)).isDirectory()) files.push(path)
  }
  return { kind: 'search', files, searchPaths: globber.getSearchPaths() }
}

if (parentPort === null) throw new Error('this file is the code of a worker thread')
const port = parentPort
port.on('message', (message: { id: number; request: GlobRequest }) => {
  answer(message.request).then(
    (result) => port.postMessage({ id: message.id, result }),
    (error: unknown) =>
      port.postMessage({
        id: message.id,
        error: error instanceof Error ? error.message : String(error),
      }),
  )
})
