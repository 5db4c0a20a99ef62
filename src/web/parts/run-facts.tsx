/** Facts of a run that pages show as links to the runs that share them. */
import { projectPagePath } from '../../api/paths.ts'
import type { Run } from '../../metadata/metadata.ts'
import { withQuery } from '../paths.ts'
import type { Html } from './html.ts'

/** Empty for a run that is not known to be of a pull request. */
export function PullRequest({ run }: { run: Run }): Html {
  if (run.pullRequest === null) return <></>
  const number = String(run.pullRequest)
  return (
    <a class="badge" href={withQuery(projectPagePath(run.project), { 'pull-request': number })}>
      PR #{number}
    </a>
  )
}

/** The number of a run within its workflow; empty where unknown. */
export function Ordinal({ run }: { run: Run }): Html {
  return run.ordinal === null ? <></> : <span class="quiet">#{run.ordinal}</span>
}
