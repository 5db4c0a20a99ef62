/** What an upload does when its name is taken. */
import type { Principal } from '../../auth/principal.ts'
import type { AppContext } from '../../http/context.ts'
import { replacementBy } from '../../http/access/strict.ts'
import type { Replacement, Run } from '../../metadata/metadata.ts'

/** The project's policy, or else the server's. */
export async function conflictPolicyOf(
  context: AppContext,
  principal: Principal,
  run: Run,
): Promise<'reject' | Replacement> {
  const project = await context.metadata.findProject(run.project)
  const policy = project?.onConflict ?? context.config.onConflict
  return policy === 'reject' ? policy : await replacementBy(context, principal, project)
}
