/** What an upload under a taken name does. */
import type { AppContext } from '../http/context.ts'
import type { ConflictPolicy, Run } from '../metadata/metadata.ts'

/** The project's policy, else the server's. */
export async function conflictPolicyOf(context: AppContext, run: Run): Promise<ConflictPolicy> {
  const project = await context.metadata.findProject(run.project)
  return project?.onConflict ?? context.config.onConflict
}
