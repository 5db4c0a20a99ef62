/** `/{o}/{r}/artifacts`: all artifacts of a project, filtered, sorted, summed up, and dealt with several at a time. */
import type { Artifact, ArtifactSort, ArtifactSums, Project } from '../metadata/metadata.ts'
import { UploadHint } from './commands.tsx'
import { counted, Size, Time } from './format.tsx'
import type { Html } from './html.ts'
import { listPath } from './paths.ts'
import { ProjectMenu } from './project-page.tsx'
import { ArtifactName, Expiry } from './run-page.tsx'
import { isLive, keepingReason } from './sentences.ts'
import { type Column, figures, Pager, Table } from './table.tsx'

export interface ListQuery {
  name: string
  branch: string
  run: string
  /** '' is live ones. */
  state: string
  pinned: string
  sort: ArtifactSort
}

export interface ListView {
  project: Project
  query: ListQuery
  branches: string[]
  artifacts: Artifact[]
  /** Over all that match. */
  sums: ArtifactSums
  pageNumber: number
  pageCount: number
  mayWrite: boolean
  now: number
}

export function ListPage(view: ListView): Html {
  const { project, artifacts, sums, query, mayWrite } = view
  const hasFilter = [query.name, query.branch, query.run, query.state, query.pinned].some(Boolean)
  return (
    <>
      <h1>Artifacts of {project.name}</h1>
      <ProjectMenu project={project.name} current="artifacts" mayWrite={mayWrite} />
      <Filter {...view} />
      {artifacts.length === 0 ? (
        <Nothing project={project.name} hasFilter={hasFilter} />
      ) : (
        <>
          <p class="lead" role="status">
            {counted(sums.artifacts, 'artifact')}, <Size bytes={sums.logicalBytes} />;{' '}
            <Size bytes={sums.newBytes} /> were added to the store by their uploads.{' '}
            <a href={listPath(project.name, { ...queryOf(query), format: 'csv' })}>CSV</a>
          </p>
          <BulkForm {...view} />
          <Pages {...view} />
        </>
      )}
    </>
  )
}

function queryOf(query: ListQuery): Record<string, string> {
  return { ...query, sort: query.sort === 'newest' ? '' : query.sort }
}

const sorts: [ArtifactSort, string][] = [
  ['newest', 'newest first'],
  ['oldest', 'oldest first'],
  ['largest', 'largest first'],
  ['costliest', 'most new bytes first'],
  ['expiring', 'expiring soonest first'],
  ['name', 'by name'],
]

function Filter({ project, query, branches }: ListView) {
  return (
    <form class="filter" method="get" action={listPath(project.name)}>
      <label>
        Name contains
        <input name="name" value={query.name} data-key="/" />
      </label>
      <label>
        Branch
        <select name="branch">
          <option value="">any</option>
          {branches.map((branch) => (
            <option value={branch} selected={branch === query.branch}>
              {branch}
            </option>
          ))}
        </select>
      </label>
      <label>
        Run
        <input name="run" value={query.run} inputmode="numeric" size={8} />
      </label>
      <label>
        State
        <select name="state">
          {['', 'damaged', 'expired', 'deleted', 'any'].map((state) => (
            <option value={state} selected={state === query.state}>
              {state === '' ? 'live' : state}
            </option>
          ))}
        </select>
      </label>
      <label>
        Kept
        <select name="pinned">
          {[
            ['', 'any'],
            ['1', 'kept'],
            ['0', 'not kept'],
          ].map(([value, label]) => (
            <option value={value} selected={value === query.pinned}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <label>
        Sort
        <select name="sort">
          {sorts.map(([value, label]) => (
            <option value={value} selected={value === query.sort}>
              {label}
            </option>
          ))}
        </select>
      </label>
      <button>Filter</button>
    </form>
  )
}

function Nothing({ project, hasFilter }: { project: string; hasFilter: boolean }) {
  if (hasFilter) {
    return (
      <p>
        No artifacts match. <a href={listPath(project)}>Clear filters</a>
      </p>
    )
  }
  return <UploadHint reason="There are no artifacts." project={project} run="RUN" />
}

function BulkForm(view: ListView) {
  const { project, query, artifacts, sums, mayWrite, now } = view
  return (
    <form method="post" action={listPath(project.name)} data-bulk>
      {Object.entries(queryOf(query)).map(([name, value]) => (
        <input type="hidden" name={`filter.${name}`} value={value} />
      ))}
      {mayWrite && <BulkBar total={sums.artifacts} shown={artifacts.length} />}
      <Table name="Artifacts" columns={columnsOf(query.sort)} lead={mayWrite && <SelectAll />}>
        {artifacts.map((each) => (
          <Row artifact={each} mayWrite={mayWrite} now={now} />
        ))}
      </Table>
    </form>
  )
}

function BulkBar({ total, shown }: { total: number; shown: number }) {
  return (
    <div class="bulk" data-bulk-bar>
      <span data-bulk-count>With the selected:</span>
      {total > shown && (
        <label class="check">
          <input type="checkbox" name="all" value="1" /> all {total.toLocaleString('en')} that match
        </label>
      )}
      <button name="action" value="keep">
        Keep
      </button>
      <button name="action" value="release">
        Let go
      </button>
      <label>
        <span class="unseen">Days from now</span>
        <input name="days" type="number" min="0" max="36500" value="30" size={5} />
      </label>
      <button name="action" value="extend">
        days to live
      </button>
      <button name="action" value="delete" class="danger">
        Delete…
      </button>
    </div>
  )
}

function SelectAll() {
  return (
    <td>
      <input type="checkbox" class="needs-script" data-select-all aria-label="Select all" />
    </td>
  )
}

function columnsOf(sort: ArtifactSort): (string | Column)[] {
  const order = (column: ArtifactSort, direction: Column['sorted']) =>
    sort === column ? direction : undefined
  return [
    { label: 'Name', sorted: order('name', 'ascending') },
    'Run',
    'Branch',
    figures('Size', order('largest', 'descending')),
    figures('New bytes', order('costliest', 'descending')),
    { label: 'Uploaded', sorted: order('newest', 'descending') ?? order('oldest', 'ascending') },
    { label: 'Expires', sorted: order('expiring', 'ascending') },
    'Why so long',
  ]
}

function Row({ artifact, mayWrite, now }: { artifact: Artifact; mayWrite: boolean; now: number }) {
  const live = isLive(artifact, now)
  return (
    <tr class={live ? '' : 'gone'}>
      {mayWrite && (
        <td>
          {live && (
            <input
              type="checkbox"
              name="id"
              value={String(artifact.id)}
              aria-label={`Select ${artifact.name} of run ${artifact.runNumber}`}
            />
          )}
        </td>
      )}
      <th scope="row">
        <ArtifactName artifact={artifact} now={now} />
      </th>
      <td>{artifact.runNumber}</td>
      <td>{artifact.branch ?? '–'}</td>
      <td class="number">
        <Size bytes={artifact.logicalBytes} />
      </td>
      <td class="number">
        <Size bytes={artifact.newBytes} />
      </td>
      <td>
        <Time at={artifact.createdAt} now={now} />
      </td>
      <td>
        <Expiry artifact={artifact} now={now} />
      </td>
      <td class="quiet">{live ? keepingReason(artifact) : (artifact.removedReason ?? '')}</td>
    </tr>
  )
}

function Pages({ project, query, pageNumber, pageCount }: ListView) {
  const to = (number: number, label: string) =>
    number < 1 || number > pageCount
      ? null
      : { label, href: listPath(project.name, { ...queryOf(query), page: String(number) }) }
  return (
    <Pager
      previous={to(pageNumber - 1, 'Back')}
      next={to(pageNumber + 1, 'More')}
      at={`Page ${pageNumber} of ${pageCount}`}
    />
  )
}

/** The same list for spreadsheets. A cell that a spreadsheet would take for a formula is quoted as text. */
export function listAsCsv(artifacts: Artifact[]): string {
  const cell = (value: string | number | boolean | null): string => {
    const text = String(value ?? '')
    const harmless = /^[=+\-@\t\r]/.test(text) && !/^-?\d+$/.test(text) ? `'${text}` : text
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
  }
  const head = 'id,name,run,branch,state,logicalBytes,newBytes,createdAt,expiresAt,pinned'
  const rows = artifacts.map((each) =>
    [
      each.id,
      each.name,
      each.runNumber,
      each.branch,
      each.state,
      each.logicalBytes,
      each.newBytes,
      new Date(each.createdAt).toISOString(),
      new Date(each.expiresAt).toISOString(),
      each.pinned,
    ]
      .map(cell)
      .join(','),
  )
  return `${[head, ...rows].join('\r\n')}\r\n`
}
