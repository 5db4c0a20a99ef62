/** The warning on pages that show outputs of unmerged code. */
import { isOfPullRequest, type RunFacts } from '../../core/run/run.ts'
import type { Html } from './html.ts'

/** Empty for runs of the project's own code. */
export function Untrusted({ run }: { run: Pick<RunFacts, 'event'> }): Html {
  if (!isOfPullRequest(run)) return <></>
  return (
    <p class="note">
      <span class="badge untrusted">untrusted</span> This comes from a pull request. Its author
      controls the content, so check it before you run it.
    </p>
  )
}
