/** A thread that reads, hashes, encodes and writes files for the client. */
import { parentPort } from 'node:worker_threads'
import { StoreError, encodeError } from '../../core/errors.ts'
import { chunkFile, encodePieces } from './encode-pieces.ts'
import { FileError } from './file-error.ts'
import type { FileAnswers, FileTask } from './file-tasks.ts'
import type { FileReply } from './file-pool.ts'
import { checkFiles, hashFiles } from './hash-files.ts'
import { moveFiles } from './move-files.ts'
import { copyPieces, findParts, patchFile, sealFile } from './patch-file.ts'
import { placeFiles } from './place-files.ts'
import { verifyFiles } from './verify-files.ts'

const port = parentPort
if (port === null) throw new Error('the file worker is started by the file pool')

type Answer = FileAnswers[keyof FileAnswers]

function perform(task: FileTask): Answer | Promise<Answer> {
  switch (task.kind) {
    case 'hash':
      return hashFiles(task)
    case 'chunk':
      return chunkFile(task)
    case 'encode':
      return encodePieces(task)
    case 'place':
      return placeFiles(task)
    case 'patch':
      return patchFile(task)
    case 'copy':
      return copyPieces(task)
    case 'findParts':
      return findParts(task)
    case 'seal':
      return sealFile(task)
    case 'check':
      return checkFiles(task)
    case 'verify':
      return verifyFiles(task)
    case 'move':
      return moveFiles(task)
  }
}

async function reply(id: number, task: FileTask): Promise<void> {
  try {
    const answer = await perform(task)
    const buffers = Object.values(answer).flatMap((value) =>
      ArrayBuffer.isView(value) ? [value.buffer as ArrayBuffer] : [],
    )
    port!.postMessage({ id, answer } satisfies FileReply, buffers)
  } catch (error) {
    port!.postMessage({ id, failure: failureOf(error) } satisfies FileReply)
  }
}

function failureOf(error: unknown): NonNullable<FileReply['failure']> {
  if (error instanceof FileError)
    return { kind: 'file', path: error.path, reason: error.message.slice(error.path.length + 1) }
  if (error instanceof StoreError) return { kind: 'store', error: encodeError(error) }
  return {
    kind: 'bug',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }
}

port.on('message', ({ id, task }: { id: number; task: FileTask }) => {
  void reply(id, task)
})
