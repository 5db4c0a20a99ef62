/** The contract of the metadata port. Each part is a file of `contract/`. */
import { afterEach, beforeEach, describe } from 'vitest'
import type { Digest } from '../../src/core/bytes/digest.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { auditContract } from './contract/audit.ts'
import { damageContract } from './contract/damage.ts'
import { figuresContract } from './contract/figures.ts'
import { keepLatestContract } from './contract/keep-latest.ts'
import { listingContract } from './contract/listing.ts'
import { mintedTokensContract } from './contract/minted-tokens.ts'
import { offersContract } from './contract/offers.ts'
import { overviewContract } from './contract/overview.ts'
import { packsContract } from './contract/packs.ts'
import { publishingContract } from './contract/publishing.ts'
import { readingContract } from './contract/reading.ts'
import { releasingContract } from './contract/releasing.ts'
import { revocationsContract } from './contract/revocations.ts'
import { runsContract } from './contract/runs.ts'
import { secretsContract } from './contract/secrets.ts'
import { sessionsContract } from './contract/sessions.ts'
import { sweepContract } from './contract/sweep.ts'
import { treesContract } from './contract/trees.ts'
import { uploadsContract } from './contract/uploads.ts'
import { usageHistoryContract } from './contract/usage-history.ts'
import { findBlob } from './find-blob.ts'
import { temporaryDatabases } from './temporary-database.ts'

/** The store of the running test. */
export interface Store {
  (): Metadata
  findBlob(digest: Digest): ReturnType<typeof findBlob>
}

const parts = {
  'projects and runs': runsContract,
  'stock uploads': uploadsContract,
  sessions: sessionsContract,
  offers: offersContract,
  'packs and composites': packsContract,
  publishing: publishingContract,
  'keeping the latest': keepLatestContract,
  listing: listingContract,
  overview: overviewContract,
  reading: readingContract,
  trees: treesContract,
  releasing: releasingContract,
  sweep: sweepContract,
  damage: damageContract,
  figures: figuresContract,
  'usage history': usageHistoryContract,
  revocations: revocationsContract,
  'minted tokens': mintedTokensContract,
  'audit log': auditContract,
  secrets: secretsContract,
}
export type ContractPart = keyof typeof parts

/** `open` opens the empty database at a path; the contract closes it. Runs all parts unless some
 *  are named. */
export function metadataContract(
  name: string,
  open: (path: string) => Metadata | Promise<Metadata>,
  names = Object.keys(parts) as ContractPart[],
): void {
  const { newDatabase } = temporaryDatabases()
  describe.each(names)(`every metadata: ${name}: %s`, (part) => {
    let path: string
    let metadata: Metadata
    beforeEach(async () => {
      path = await newDatabase()
      metadata = await open(path)
    })
    afterEach(async () => {
      await metadata.close()
    })
    const find = async (digest: Digest): ReturnType<typeof findBlob> => await findBlob(path, digest)
    parts[part](Object.assign(() => metadata, { findBlob: find }))
  })
}
