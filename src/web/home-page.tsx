/** `/`: the projects that the visitor can read, or how to make the first upload. */
import { projectPagePath } from '../api/paths.ts'
import type { Project } from '../metadata/metadata.ts'
import { Time } from './format.tsx'
import type { Html } from './html.ts'

export function HomePage({
  projects,
  origin,
  now,
}: {
  projects: Project[]
  origin: string
  now: number
}): Html {
  if (projects.length === 0) return <FirstRun origin={origin} />
  return (
    <>
      <h1>Projects</h1>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Project</th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {projects.map((project) => (
              <tr>
                <th scope="row">
                  <a href={projectPagePath(project.name)}>{project.name}</a>
                </th>
                <td>
                  <Time at={project.createdAt} now={now} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** Empty store: what makes it non-empty. Commands are complete, so that they can be pasted as they are. */
function FirstRun({ origin }: { origin: string }) {
  return (
    <>
      <h1>Nothing has been uploaded yet</h1>
      <p>A project appears here with its first artifact.</p>
      <h2>From a shell</h2>
      <pre>{shellCommands(origin)}</pre>
      <h2>From a runner, with the stock actions</h2>
      <p>Give the job these two variables; the workflow needs no change.</p>
      <pre>{runnerCommands(origin)}</pre>
    </>
  )
}

function shellCommands(origin: string): string {
  return [
    `export TROVE_URL=${origin}`,
    'export TROVE_TOKEN=$(trove token --project octo/app --scope write)',
    'tar -c dist | curl --fail -T - -H "Authorization: Bearer $TROVE_TOKEN" -H "Content-Type: application/x-tar" \\',
    '  $TROVE_URL/api/v1/projects/octo/app/runs/1/artifacts/dist',
    'trove list',
  ].join('\n')
}

function runnerCommands(origin: string): string {
  return [
    `export ACTIONS_RESULTS_URL=${origin}/`,
    'export ACTIONS_RUNTIME_TOKEN=$(trove token --project "$GITHUB_REPOSITORY" --run "$GITHUB_RUN_ID" --job "$GITHUB_JOB")',
  ].join('\n')
}
