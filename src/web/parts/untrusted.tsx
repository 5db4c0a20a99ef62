/** What is said of things that come of code which nobody has merged. */
import { isOfPullRequest, type RunFacts } from '../../core/run.ts'
import type { Html } from './html.ts'

/** Nothing for runs of the project's own code. */
export function Untrusted({ run }: { run: Pick<RunFacts, 'event'> }): Html {
  if (!isOfPullRequest(run)) return <></>
  return (
    <p class="note untrusted">
      <span class="badge untrusted">untrusted</span> From a pull request, whose code nobody has
      merged: its author can have chosen what is in this. Look before you run it.
    </p>
  )
}
