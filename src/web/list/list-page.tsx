/** `/{o}/{r}/artifacts`: all artifacts of a project, with filters, orders, sums and bulk
 *  actions. */
import { counted } from '../../core/units.ts'
import { UploadHint } from '../parts/commands.tsx'
import { anyOf, Choice, NameField, NoneMatch, NumberField } from '../parts/form.tsx'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { type ListView, queryOf, sorts, states, withSecrets } from './list-view.ts'
import { ListTable } from './list-table.tsx'
import { listPath, searchPagePath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { NumberedPager } from '../parts/table.tsx'

export function ListPage(view: ListView): Html {
  const { project, artifacts, sums, query } = view
  const hasFilter = [query.name, query.branch, query.run, query.state, query.pinned].some(Boolean)
  return (
    <>
      <h1>Artifacts of {project.name}</h1>
      <ProjectMenu {...view} project={project.name} current="Artifacts" />
      <Filter {...view} />
      <form class="filter" method="get" action={searchPagePath(project.name)}>
        <PathField path="" />
        <button>Search</button>
      </form>
      {artifacts.length === 0 ? (
        <Nothing project={project.name} hasFilter={hasFilter} />
      ) : (
        <>
          <p class="lead" role="status">
            {counted(sums.artifacts, 'artifact')}, <Size bytes={sums.logicalBytes} />; their uploads
            added <Size bytes={sums.newBytes} /> to the store.{' '}
            <a href={listPath(project.name, { ...queryOf(query), format: 'csv' })}>CSV</a>
          </p>
          <ListTable {...view} />
          <NumberedPager
            {...view}
            hrefOf={(page) => listPath(project.name, { ...queryOf(query), page })}
          />
        </>
      )}
    </>
  )
}

function Filter({ project, query, branches, mayInspect }: ListView) {
  return (
    <form class="filter" method="get" action={listPath(project.name)}>
      <FilterFields query={query} branches={branches} dataKey="/" />
      <Choice
        label="State"
        name="state"
        options={[
          ['', 'live'],
          ...(mayInspect ? [[withSecrets, 'with secrets'] as const] : []),
          ...states.map((state) => [state, state] as const),
        ]}
        chosen={query.state}
      />
      <Choice
        label="Kept"
        name="pinned"
        options={[
          ['', 'any'],
          ['1', 'by hand'],
          ['latest', 'as the latest'],
          ['0', 'not kept'],
        ]}
        chosen={query.pinned}
      />
      <Choice label="Sort" name="sort" options={sorts} chosen={query.sort} />
      <button>Filter</button>
    </form>
  )
}

/** Filters that the list and the search share. */
export function FilterFields({
  query,
  branches,
  dataKey,
}: Pick<ListView, 'query' | 'branches'> & { dataKey?: string }): Html {
  return (
    <>
      <NameField value={query.name} dataKey={dataKey} />
      <Choice label="Branch" name="branch" options={anyOf(branches)} chosen={query.branch} />
      <NumberField label="Run" name="run" value={query.run} title="A run number" />
    </>
  )
}

/** Node accepts at most 16 KiB of request line and headers; a character can take nine bytes in
 *  an address. */
const patternLengthMax = 1000

/** The field for the path pattern to search for. */
export function PathField({ path, dataKey }: { path: string; dataKey?: string }): Html {
  return (
    <label class="wide">
      Path in artifacts
      <input
        name="path"
        type="search"
        value={path}
        maxlength={patternLengthMax}
        data-key={dataKey}
        spellcheck={false}
        autocomplete="off"
        placeholder="**/index.html"
        required
      />
    </label>
  )
}

function Nothing({ project, hasFilter }: { project: string; hasFilter: boolean }) {
  if (hasFilter) return <NoneMatch what="artifacts" all={listPath(project)} />
  return <UploadHint reason="There are no artifacts." project={project} run="RUN" />
}
