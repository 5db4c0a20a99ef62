/** The people who signed in, by the rules of the settings. */
import { createPeople, type People } from '../../auth/people.ts'
import type { Config } from '../../config/config.ts'
import type { Metadata } from '../../metadata/metadata.ts'

export async function openPeople(
  { singleSignOn, publicUrl }: Config,
  metadata: Metadata,
): Promise<People> {
  return createPeople(await metadata.listPeople(), {
    rules: singleSignOn?.rules ?? [],
    awakeMs: singleSignOn?.awakeMs ?? 0,
    signInUrl: singleSignOn && `${publicUrl}/sign-in`,
  })
}
