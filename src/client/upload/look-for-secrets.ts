/** Looks for credentials before anything is sent, in the few files that are made to hold them. Other files of text the server
 *  looks at once it has them (lifecycle/look-for-secrets.ts): reading them here would cost every upload. */
import { closeSync, fstatSync, readSync } from 'node:fs'
import { limits } from '../../core/limits.ts'
import { countsAt, findSecrets, type FoundSecret, isCredentialPath } from '../../core/secrets.ts'
import { openToRead, whileReading } from '../files/file-error.ts'
import type { SourceTree } from './source-tree.ts'

export interface SecretInFile extends FoundSecret {
  /** Of the entry. */
  path: string
}

/** In order of paths. Errors: FileError. */
export function lookForSecrets(tree: SourceTree): SecretInFile[] {
  const found: SecretInFile[] = []
  for (const [ordinal, path] of tree.paths.entries()) {
    if (!isCredentialPath(path) || tree.kind(ordinal) !== 'file') continue
    for (const secret of findSecrets(readHead(tree.sourceOf(ordinal))))
      if (countsAt(secret.kind, path)) found.push({ path, ...secret })
  }
  return found
}

/** As much of it as is looked at. */
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
