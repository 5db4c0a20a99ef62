/** The table of a project's artifacts, with a checkbox on each row to which a bulk action can
 *  apply, and these actions. */
import { formatCount } from '../../core/units.ts'
import type { ArtifactSort } from '../../core/manifest/artifact-order.ts'
import { endReason, keepingReason } from '../../core/policy/explanation.ts'
import { isLive, isRestorable } from '../../core/policy/retention.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { HiddenFields } from '../parts/form.tsx'
import { SizeCell, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { filterFields, type ListView, queryOf } from './list-view.ts'
import { listPath } from '../paths.ts'
import { ArtifactName, Expiry, RunCells } from '../parts/artifact-name.tsx'
import { type Column, figures, Table } from '../parts/table.tsx'

/** Offers to keep, stop keeping, extend and delete live artifacts; in the list of deleted
 *  artifacts, to restore them. */
export function ListTable(view: ListView): Html {
  const { project, query, artifacts, sums, mayWrite, undoMs, now } = view
  const restores = query.state === 'deleted'
  const isSelectable = (artifact: Artifact): boolean =>
    mayWrite && (restores ? isRestorable(artifact, { undoMs, now }) : isLive(artifact, now))
  const hasBoxes = artifacts.some(isSelectable)
  const table = (
    <Table
      name="Artifacts"
      style="rows runs"
      columns={columnsOf(view)}
      lead={hasBoxes && <SelectAll />}
    >
      {artifacts.map((each) => (
        <Row artifact={each} box={hasBoxes ? isSelectable(each) : null} now={now} />
      ))}
    </Table>
  )
  if (!hasBoxes) return table
  return (
    <form method="post" action={listPath(project.name)} data-bulk>
      <HiddenFields fields={filterFields(query)} />
      {/* Enter in a field or on a checkbox presses the first button, so that is one without an effect. */}
      <button name="action" value="" class="unseen" tabindex={-1} aria-hidden="true" />
      <div class="bulk" data-bulk-bar>
        <span data-bulk-count>With selected:</span>
        <AllThatMatch total={sums.artifacts} shown={artifacts.length} />
        {restores ? <RestoreButton /> : <BulkButtons />}
      </div>
      {table}
    </form>
  )
}

function AllThatMatch({ total, shown }: { total: number; shown: number }) {
  if (total <= shown) return <></>
  return (
    <label class="check">
      <input type="checkbox" name="all" value="1" /> all {formatCount(total)} matching
    </label>
  )
}

function RestoreButton() {
  return (
    <button name="action" value="restore">
      Restore
    </button>
  )
}

function BulkButtons() {
  return (
    <>
      <button name="action" value="keep">
        Keep
      </button>
      <button name="action" value="release">
        Stop keeping
      </button>
      <span class="pair">
        <label>
          Expire in <input name="days" type="number" min="0" max="36500" value="30" size={5} /> days
        </label>
        <button name="action" value="extend">
          Set
        </button>
      </span>
      <button name="action" value="delete" class="danger">
        Delete…
      </button>
    </>
  )
}

function SelectAll() {
  return (
    <td>
      <input type="checkbox" class="needs-script" data-select-all aria-label="Select all" />
    </td>
  )
}

/** Headings lead to the list in their order. */
function columnsOf({ project, query }: ListView): (string | Column)[] {
  const by = (sort: ArtifactSort, sorted: Column['sorted']) => ({
    sorted: query.sort === sort ? sorted : undefined,
    href: listPath(project.name, queryOf({ ...query, sort })),
  })
  const newest = by('newest', 'descending')
  const oldest = by('oldest', 'ascending')
  return [
    { label: 'Name', ...by('name', 'ascending') },
    'Run',
    'Branch',
    figures('Size', by('largest', 'descending')),
    figures('New bytes', by('costliest', 'descending')),
    {
      label: 'Uploaded',
      sorted: newest.sorted ?? oldest.sorted,
      href: query.sort === 'newest' ? oldest.href : newest.href,
    },
    { label: 'Expires', ...by('expiring', 'ascending') },
    'Why',
  ]
}

function Row({
  artifact,
  box,
  now,
}: {
  artifact: Artifact
  /** Whether the row has a checkbox; null if the table has no column for them. */
  box: boolean | null
  now: number
}) {
  const live = isLive(artifact, now)
  return (
    <tr class={live ? '' : 'gone'}>
      {box !== null && (
        <td>
          {box && (
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
      <RunCells artifact={artifact} />
      <SizeCell bytes={artifact.logicalBytes} />
      <SizeCell bytes={artifact.newBytes} />
      <TimeCell at={artifact.createdAt} now={now} />
      <td>
        <Expiry artifact={artifact} now={now} />
      </td>
      <td class="quiet why">{live ? keepingReason(artifact) : endReason(artifact)}</td>
    </tr>
  )
}
