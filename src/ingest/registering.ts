/** Sealed packs on their way to their rows. */
import type { Metadata } from '../metadata/metadata.ts'
import type { PackStore } from '../packs/pack-store.ts'

export interface RegisteringPorts {
  metadata: Pick<Metadata, 'hasPack'>
  packs: Pick<PackStore, 'remove'>
}

/** Runs `register`, which tells the database of a sealed pack in one or more transactions. When it fails before the first of
 *  them, nobody will ever know the pack, so its bytes go. A pack that has a row goes the way of all packs: what the session
 *  claimed is swept, and then it is empty. */
export async function registering<T>(
  ports: RegisteringPorts,
  packName: string,
  register: () => Promise<T>,
): Promise<T> {
  try {
    return await register()
  } catch (error) {
    // What cannot be removed now is debris, and the failure that counts is the first.
    await removeUnknown(ports, packName).catch(() => {})
    throw error
  }
}

async function removeUnknown({ metadata, packs }: RegisteringPorts, name: string): Promise<void> {
  if (!(await metadata.hasPack(name))) await packs.remove(name)
}
