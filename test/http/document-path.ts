/** The address of a document that a test signs itself, as a token that is never revoked. */
import { openKeys } from '../../src/auth/key.ts'
import { contentPath } from '../../src/web/artifact/content-origin.ts'

export async function documentPath(
  dataDir: string,
  place: { artifactId: number; path: string; now: number },
): Promise<string> {
  const signer = { lineage: ['0'.repeat(32)], issuedAt: null, person: null }
  return contentPath(await openKeys(dataDir), { ...place, signer })
}
