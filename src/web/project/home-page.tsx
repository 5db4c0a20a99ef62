/** `/`: the projects that the visitor can read; in an empty store, how to make the first upload. */
import { formatCount } from '../../core/units.ts'
import { projectPagePath } from '../../api/paths.ts'
import type { Run, SizedProject } from '../../metadata/metadata.ts'
import { Sparkline } from '../parts/charts.tsx'
import { HiddenFields, NameField, NoneMatch } from '../parts/form.tsx'
import { Time, SizeCell } from '../parts/format.tsx'
import { Commands } from '../parts/commands.tsx'
import type { Html } from '../parts/html.ts'
import { withQuery } from '../paths.ts'
import { type Column, figures, NumberedPager, Table } from '../parts/table.tsx'

export interface ListedProject {
  project: SizedProject
  lastRun: Run | undefined
  /** Logical bytes uploaded on each of the last 30 days. */
  days: number[]
}

/** '': by name. */
export const projectSorts = ['', 'artifacts', 'size', 'unique'] as const
export type ProjectSort = (typeof projectSorts)[number]

export interface HomeView {
  projects: ListedProject[]
  sort: ProjectSort
  /** Text that project names must contain; '' for all. */
  name: string
  pageNumber: number
  pageCount: number
  now: number
}

export function HomePage(view: HomeView): Html {
  const { projects, sort, name, pageNumber, pageCount } = view
  return (
    <div id="projects" data-ended="The first upload has arrived">
      <h1>Projects</h1>
      {(name !== '' || pageCount > 1) && (
        <form class="filter" method="get" action="/">
          <NameField value={name} dataKey="/" />
          {sort !== '' && <HiddenFields fields={[['sort', sort]]} />}
          <button>Filter</button>
        </form>
      )}
      {projects.length === 0 ? <NoneMatch what="projects" all="/" /> : <ProjectTable {...view} />}
      <NumberedPager
        pageNumber={pageNumber}
        pageCount={pageCount}
        hrefOf={(page) => withQuery('/', { name, sort, page })}
      />
    </div>
  )
}

function ProjectTable({ projects, sort, name, now }: HomeView) {
  const by = (order: ProjectSort, sorted: Column['sorted']) => ({
    sorted: sort === order ? sorted : undefined,
    href: withQuery('/', { name, sort: order }),
  })
  return (
    <Table
      name="Projects"
      columns={[
        { label: 'Project', ...by('', 'ascending') },
        'Last run',
        figures('Artifacts', by('artifacts', 'descending')),
        figures('Size', by('size', 'descending')),
        figures('Unique', by('unique', 'descending')),
        'Uploads, 30 days',
      ]}
    >
      {projects.map((each) => (
        <ProjectRow {...each} now={now} />
      ))}
    </Table>
  )
}

function ProjectRow({ project, lastRun, days, now }: ListedProject & { now: number }) {
  return (
    <tr>
      <th scope="row">
        <a href={projectPagePath(project.name)}>{project.name}</a>
        {project.artifacts === 0 && <span class="badge">empty</span>}
      </th>
      <td>
        {lastRun === undefined ? (
          <span class="quiet">none</span>
        ) : (
          <>
            <bdi>{lastRun.workflow ?? `Run ${lastRun.number}`}</bdi>,{' '}
            <Time at={lastRun.createdAt} now={now} />
          </>
        )}
      </td>
      <td class="number">{formatCount(project.artifacts)}</td>
      <SizeCell bytes={project.logicalBytes} />
      <SizeCell bytes={project.chunkBytes} />
      <td>
        <Sparkline values={days} label={`Bytes uploaded to ${project.name} by day`} />
      </td>
    </tr>
  )
}

/** The page of an empty store. Its commands are complete, so that they can be pasted as they
 *  are. Scripts replace it by the projects once there are any (browser/live.ts). */
export function FirstRunPage({ origin }: { origin: string }): Html {
  return (
    <div id="projects" data-live="" data-every="3">
      <h1>Nothing has been uploaded yet</h1>
      <p>
        A project appears here after its first upload.{' '}
        <span class="quiet no-script">Reload this page after you upload.</span>
        <span class="quiet needs-script">Waiting for the first upload…</span>
      </p>
      <h2>From a shell</h2>
      <Commands text={shellCommands(origin)} />
      <p>
        In the server’s checkout, run <code>trove</code> as <code>npx trove</code>; tokens are made
        there. On any other machine with Node, run it as <code>npx -y {origin}/trove.tgz</code>.
      </p>
      <h2>From a workflow</h2>
      <p>
        Set the secret <code>TROVE_TOKEN</code> to the output of{' '}
        <code>trove token --project OWNER/REPO --scope write --expires 365d</code>.
      </p>
      <Commands text={uploadStep(origin)} />
      <h2>From a workflow, with GitHub’s actions</h2>
      <Commands text={stockSteps(origin)} />
    </div>
  )
}

function shellCommands(origin: string): string {
  return [
    `export TROVE_URL=${origin}`,
    'export TROVE_TOKEN=$(trove token --project octo/app --scope write)',
    'trove upload dist ./dist --project octo/app --run 1',
    'trove list --project octo/app',
  ].join('\n')
}

function uploadStep(origin: string): string {
  return `- run: npx -y ${origin}/trove.tgz upload site dist/
  env:
    TROVE_URL: ${origin}
    TROVE_TOKEN: \${{ secrets.TROVE_TOKEN }}`
}

/** The secret is the same for all runs, but the actions need a token whose claims name run and
 *  job, so the first step exchanges it. */
function stockSteps(origin: string): string {
  return `- id: trove
  run: npx -y ${origin}/trove.tgz token --outputs --url ${origin}
  env:
    TROVE_TOKEN: \${{ secrets.TROVE_TOKEN }}
- uses: actions/upload-artifact@v7
  with: { name: site, path: dist/ }
  env:
    NODE_OPTIONS: \${{ steps.trove.outputs.node-options }}`
}
