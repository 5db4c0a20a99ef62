/** What every implementation of the metadata port does. Each part of the contract is a file of `contract/`. */
import { afterEach, beforeEach, describe } from 'vitest'
import type { Metadata } from '../../src/metadata/metadata.ts'
import { damageContract } from './contract/damage.ts'
import { figuresContract } from './contract/figures.ts'
import { listingContract } from './contract/listing.ts'
import { overviewContract } from './contract/overview.ts'
import { packsContract } from './contract/packs.ts'
import { publishingContract } from './contract/publishing.ts'
import { readingContract } from './contract/reading.ts'
import { runsContract } from './contract/runs.ts'
import { sessionsContract } from './contract/sessions.ts'
import { sweepContract } from './contract/sweep.ts'
import { uploadsContract } from './contract/uploads.ts'

/** The store of the running test. */
export type Store = () => Metadata

/** `make` gives a new, empty store each time; the contract closes it. */
export function metadataContract(name: string, make: () => Promise<Metadata>): void {
  describe(`every metadata: ${name}`, () => {
    let metadata: Metadata
    beforeEach(async () => {
      metadata = await make()
    })
    afterEach(async () => {
      await metadata.close()
    })
    const store: Store = () => metadata

    describe('projects and runs', () => {
      runsContract(store)
    })
    describe('stock uploads', () => {
      uploadsContract(store)
    })
    describe('sessions', () => {
      sessionsContract(store)
    })
    describe('packs and composites', () => {
      packsContract(store)
    })
    describe('publishing', () => {
      publishingContract(store)
    })
    describe('listing', () => {
      listingContract(store)
    })
    describe('overview', () => {
      overviewContract(store)
    })
    describe('reading', () => {
      readingContract(store)
    })
    describe('sweep', () => {
      sweepContract(store)
    })
    describe('damage', () => {
      damageContract(store)
    })
    describe('figures', () => {
      figuresContract(store)
    })
  })
}
