/** Facts of a run that pages show as links to the runs that share them. */
import { projectPagePath } from '../../api/paths.ts'
import type { ProjectName, RunFacts } from '../../core/run/run.ts'
import type { RunFact } from '../../metadata/metadata.ts'
import { withQuery } from '../paths.ts'
import type { Html } from './html.ts'

/** Of a run or an artifact. */
type Facts = RunFacts & { project: ProjectName }

/** Empty for a run that is not known to be of a pull request. */
export function PullRequest({ run }: { run: Facts }): Html {
  if (run.pullRequest === null) return <></>
  const number = String(run.pullRequest)
  return (
    <a class="badge" href={withQuery(projectPagePath(run.project), { 'pull-request': number })}>
      PR #{number}
    </a>
  )
}

/** Leads to the runs that share the fact. */
export function FactLink({ of: run, fact }: { of: Facts; fact: RunFact }): Html {
  const value = run[fact]
  if (value === null) return <>–</>
  return <a href={withQuery(projectPagePath(run.project), { [fact]: value })}>{value}</a>
}

/** The beginning of the commit, as a cell of a table. */
export function CommitCell({ of: { sha } }: { of: Pick<RunFacts, 'sha'> }): Html {
  return <td class="digest">{sha?.slice(0, 12) ?? '–'}</td>
}

/** The number of a run within its workflow; empty where unknown. */
export function Ordinal({ run }: { run: Facts }): Html {
  return run.ordinal === null ? <></> : <span class="quiet">#{run.ordinal}</span>
}
