/** The worker thread that reads, hashes, encodes and writes files for the client. */
import { prepareCodec } from '../../packs/codec/codec.ts'
import { answerRequests } from '../../worker-thread.ts'
import { chunkFile, encodePieces } from './encode-pieces.ts'
import { FileError } from './file-error.ts'
import { defaultCompressionLevel, type FileTask } from './file-tasks.ts'
import type { FileReply } from './file-threads.ts'
import { hashFiles } from './hash-files.ts'
import { moveFiles } from './move-files.ts'
import { copyPieces, findParts, patchFile, sealFile } from './patch-file.ts'
import { placeFiles } from './place-files.ts'
import { findUnchanged } from './find-unchanged.ts'

function perform(task: FileTask): FileReply | Promise<FileReply> {
  switch (task.kind) {
    case 'hash':
    case 'check':
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
    case 'unchanged':
      return findUnchanged(task)
    case 'move':
      return moveFiles(task)
  }
}

prepareCodec(defaultCompressionLevel)
await answerRequests<FileTask, FileReply>(() => ({
  answer: async (task) => {
    try {
      return await perform(task)
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      const { path, message } = error
      return { trouble: { path, reason: message.slice(path.length + 1) } }
    }
  },
}))
