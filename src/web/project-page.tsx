/** `/{o}/{r}`: the runs of a project, newest first. */
import { runPagePath } from '../api/paths.ts'
import type { Project, Run } from '../metadata/metadata.ts'
import { Time } from './format.tsx'
import type { Html } from './html.ts'

export interface ListedRun {
  run: Run
  /** Live artifacts of this attempt. */
  artifacts: number
}

export function ProjectPage({
  project,
  runs,
  older,
  now,
}: {
  project: Project
  runs: ListedRun[]
  /** Address of the page of older runs; null at the end. */
  older: string | null
  now: number
}): Html {
  return (
    <>
      <h1>{project.name}</h1>
      {runs.length === 0 ? (
        <p>No run has uploaded anything yet.</p>
      ) : (
        <div class="scroll">
          <table>
            <caption>Runs, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Workflow</th>
                <th scope="col">Branch</th>
                <th scope="col">Commit</th>
                <th scope="col">Event</th>
                <th scope="col" class="number">
                  Artifacts
                </th>
                <th scope="col">Started</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((each) => (
                <RunRow {...each} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {older !== null && (
        <p>
          <a href={older}>Older runs</a>
        </p>
      )}
    </>
  )
}

function RunRow({ run, artifacts, now }: ListedRun & { now: number }) {
  return (
    <tr>
      <th scope="row">
        <a href={runPagePath(run.project, run.number)}>{run.number}</a>
        {run.attempt > 1 && <span class="badge">attempt {run.attempt}</span>}
      </th>
      <td>{run.workflow ?? '–'}</td>
      <td>{run.branch ?? '–'}</td>
      <td class="digest">{run.sha?.slice(0, 12) ?? '–'}</td>
      <td>{run.event ?? '–'}</td>
      <td class="number">{artifacts.toLocaleString('en')}</td>
      <td>
        <Time at={run.createdAt} now={now} />
      </td>
    </tr>
  )
}
