/** Packs of a bucket that another server may take over while this one runs. */
import type { PackStore } from './pack-store.ts'

/** Returns packs of which none is removed unless the bucket is still this store's.
 *
 *  What is removed was chosen before the check: so none of it was written by a server that takes
 *  the bucket over afterwards, which restores the metadata and looks for packs only then. */
export function onlyWhileOwn(packs: PackStore, requireOwn: () => Promise<void>): PackStore {
  return {
    ...packs,
    remove: async (name) => {
      await requireOwn()
      await packs.remove(name)
    },
    removeUnsealed: async (olderThan) => {
      await requireOwn()
      return await packs.removeUnsealed(olderThan)
    },
  }
}
