/** Files of a data directory, beside its packs. */
import { join } from 'node:path'

export function databaseOf(dataDir: string): string {
  return join(dataDir, 'trove.db')
}

/** The keys of a data directory (`auth/`), without which nothing made with them can be verified. */
export function keyFilesOf(dataDir: string): string[] {
  return ['secret.key', 'attestation.key'].map((name) => join(dataDir, name))
}
