/** Searches for credentials before anything is sent, only in the few files whose purpose is to
 *  hold them. The server searches other text files after the upload
 *  (lifecycle/secret-scan.ts): reading them here would slow down every upload. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { limits } from '../../core/limits.ts'
import {
  countsAt,
  findSecrets,
  type FoundSecret,
  isCredentialPath,
} from '../../core/secrets/secrets.ts'
import { openToRead, whileReading } from '../files/file-error.ts'
import type { SourceTree } from './source-tree.ts'

export interface SecretInFile extends FoundSecret {
  /** Path of the entry. */
  path: string
}

/** A finding with the number of its entry in the tree. */
export type SecretInEntry = SecretInFile & { ordinal: number }

/** Returns findings in path order. Errors: FileError. */
export function findSourceSecrets(tree: SourceTree): SecretInEntry[] {
  const found: SecretInEntry[] = []
  for (const [ordinal, path] of tree.paths.entries()) {
    if (!isCredentialPath(path) || tree.kind(ordinal) !== 'file') continue
    for (const secret of findSecrets(readHead(tree.sourceOf(ordinal))))
      if (countsAt(secret.kind, path)) found.push({ ordinal, path, ...secret })
  }
  return found
}

/** Reads the part of a file that is searched. */
function readHead(path: string): Uint8Array {
  const file = openToRead(path)
  try {
    return whileReading(path, () => {
      const bytes = Buffer.alloc(Math.min(fstatSync(file).size, limits.secretFileBytesMax))
      return bytes.subarray(0, readSync(file, bytes))
    })
  } finally {
    closeSync(file)
  }
}
