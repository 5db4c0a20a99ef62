/** The retention policy of a project. */
import { projectPolicy, type RetentionPolicy } from '../../core/policy/retention.ts'
import type { ProjectName } from '../../core/run/run.ts'
import type { AppContext } from '../context.ts'

/** The project's settings, limited by the server's. */
export async function retentionOf(
  { config, metadata }: Pick<AppContext, 'config' | 'metadata'>,
  name: ProjectName,
): Promise<RetentionPolicy> {
  const project = await metadata.findProject(name)
  return project === undefined ? config.retention : projectPolicy(config.retention, project)
}
