/** Registers sealed packs in the metadata. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface RegisteringPorts {
  metadata: Pick<Metadata, 'hasPack'>
  packs: Pick<PackStore, 'remove'>
}

/** Runs `register`, which records a sealed pack in the database in one or more transactions. If
 *  it fails before the first of them, nothing will ever refer to the pack, so its bytes are
 *  removed. A pack that has a row is left to the collector: once the session's blobs are swept,
 *  it is empty. */
export async function registering<T>(
  ports: RegisteringPorts,
  packName: string,
  register: () => Promise<T>,
): Promise<T> {
  try {
    return await register()
  } catch (error) {
    // What cannot be removed now is debris; the first failure is the one to report.
    await removeUnknown(ports, packName).catch(() => {})
    throw error
  }
}

async function removeUnknown({ metadata, packs }: RegisteringPorts, name: string): Promise<void> {
  if (!(await metadata.hasPack(name))) await packs.remove(name)
}
