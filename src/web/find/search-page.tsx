/** `/{o}/{r}/search?path=`: finds paths inside the artifacts of a project. */
import { counted } from '../../core/units.ts'
import type { Matches } from '../../browse/search.ts'
import type { Artifact, ComparedEntry } from '../../metadata/metadata.ts'
import { Size, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { FilterFields, PathField } from '../list/list-page.tsx'
import type { ListQuery } from '../list/list-view.ts'
import { blobPath, searchPagePath, treePath } from '../paths.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { ArtifactName, RunCells } from '../parts/artifact-name.tsx'
import { figures, NextPage, Table } from '../parts/table.tsx'

export interface SearchFormView {
  project: string
  /** The pattern, as typed. */
  path: string
  query: ListQuery
  branches: string[]
  mayInspect: boolean
  mayWrite: boolean
  /** Why the pattern is invalid; null if it is valid. */
  problem: string | null
}

export interface SearchResults {
  matches: Matches[]
  /** Whether the page holds as many matches as it may show. */
  isFull: boolean
  /** Address of the next page; null when everything has been searched. */
  onward: string | null
  /** Whether this page continues another one. */
  isLater: boolean
  /** Address of the same search without filters; null if it has none. */
  widened: string | null
  now: number
}

/** The page around its results. */
export function SearchPage({ results, ...view }: SearchFormView & { results: Html | null }): Html {
  const { project, path, problem } = view
  return (
    <>
      <h1>Search the artifacts of {project}</h1>
      <ProjectMenu {...view} current="Artifacts" />
      <form class="filter" method="get" action={searchPagePath(project)}>
        <PathField path={path} dataKey="/" />
        <FilterFields {...view} />
        <button>Search</button>
      </form>
      {problem !== null && (
        <p class="note" role="alert">
          {problem}
        </p>
      )}
      {path === '' && <Advice />}
      {results}
    </>
  )
}

function Advice() {
  return (
    <p class="quiet">
      The pattern must match the whole path: <code>*</code> matches anything within a name,{' '}
      <code>**</code> any directories, as in <code>**/index.html</code> or <code>dist/**</code>.
    </p>
  )
}

export function SearchResultList(view: SearchResults): Html {
  const { matches, isFull, onward, isLater, widened, now } = view
  const count = matches.reduce((sum, { found }) => sum + found.length, 0)
  return (
    <>
      <p class="lead" role="status">
        {countText(count, view)}
        {count > 0 && ', newest artifacts first'}
        {onward !== null && !isFull ? ' so far: older artifacts are not searched yet.' : '.'}
      </p>
      {count === 0 && widened !== null && (
        <p>
          <a href={widened}>Search all artifacts</a>
        </p>
      )}
      {count === 0 && !isLater && <Advice />}
      {count > 0 && (
        <Table
          name="Matching paths"
          columns={['Path', figures('Size'), 'Artifact', 'Run', 'Branch', 'Uploaded']}
        >
          {matches.flatMap(({ artifact, found }) =>
            found.map((each) => <Row artifact={artifact} found={each} now={now} />),
          )}
        </Table>
      )}
      <NextPage href={onward} label={isFull ? 'More' : 'Continue search'} />
    </>
  )
}

function countText(count: number, { isFull, onward, isLater }: SearchResults): string {
  const other = isLater ? 'other ' : ''
  if (count === 0) return `No ${other}path matches`
  if (isFull && onward !== null) return `The ${isLater ? 'next' : 'first'} ${count} matches`
  return counted(count, `${other}match`, `${other}matches`)
}

function Row({
  artifact,
  found: { entry },
  now,
}: {
  artifact: Artifact
  found: ComparedEntry
  now: number
}) {
  return (
    <tr>
      <th scope="row">
        {entry.kind === 'file' && <a href={blobPath(artifact, entry.path)}>{entry.path}</a>}
        {entry.kind === 'directory' && <a href={treePath(artifact, entry.path)}>{entry.path}/</a>}
        {entry.kind === 'symlink' && (
          <>
            <a href={blobPath(artifact, entry.path)}>{entry.path}</a>{' '}
            <span class="quiet">→ {entry.target}</span>
          </>
        )}
      </th>
      <td class="number">{entry.kind === 'file' && <Size bytes={entry.sizeBytes} />}</td>
      <td>
        <ArtifactName artifact={artifact} now={now} />
      </td>
      <RunCells artifact={artifact} />
      <TimeCell at={artifact.createdAt} now={now} />
    </tr>
  )
}
