/** Previews in form of a table: separated values, and the members of an archive. */
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { pathFault } from '../../core/manifest/entry.ts'
import { formatSizeBytes, counted, formatCount } from '../../core/units.ts'
import { renderFitting } from '../fitting.ts'
import { cutText } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { blobPath } from '../paths.ts'
import { type Column, figures, Table } from '../parts/table.tsx'
import { parseCsv } from './csv.ts'
import { previewBytesMax, type ShownFile, wholePath } from './shown-file.ts'
import { type ArchiveListing, type ArchiveMember, memberNameOf } from './archive.ts'
import { memberPath } from './member-path.ts'

const csvRowsMax = 1000
/** Bounds of a table until "Show more": its head and one row must fit on the page whatever they
 *  contain. */
const firstBounds = { columns: 100, characters: 100, cells: 100_000 }
/** Bounds of a table after "Show more"; a larger one takes the server seconds to render. */
const wholeBounds = { columns: 1000, characters: Infinity, cells: 100_000 }
/** Longest member name until "Show more"; a name may have 64 KiB. */
const nameCharactersMax = 300

export async function csvPreview(shown: ShownFile, text: string): Promise<Html> {
  const separator = shown.file.path.toLowerCase().endsWith('.tsv') ? '\t' : ','
  const parsed = parseCsv(text, { separator, rowsMax: csvRowsMax + 1 })
  const bounds = shown.wantedBytes === 0 ? firstBounds : wholeBounds
  const { rows, columns, isNarrowed } = narrowed(parsed.rows, bounds)
  const isWhole = parsed.isWhole && rows.length === parsed.rows.length
  const [head = [], ...body] = rows
  const count = isWhole ? counted(body.length, 'row') : `More than ${counted(body.length, 'row')}`
  const left =
    columns > bounds.columns
      ? `, the first ${formatCount(bounds.columns)} of ${counted(columns, 'column')}`
      : ''
  const isNumber = head.map((_, index) => isNumeric(body.map((row) => row[index] ?? '')))
  return await fittingTable(shown, {
    name: 'Table',
    count: count + left,
    isWhole,
    isNarrowed,
    columns: head.map((label, index) => ({ label, isNumber: isNumber[index] ?? false })),
    rows: body,
    render: (row) => (
      <tr>
        {row.map((cell, index) => (
          <td class={isNumber[index] === true ? 'number' : undefined}>{cell}</td>
        ))}
        {row.length < head.length && <td colspan={head.length - row.length}></td>}
      </tr>
    ),
  })
}

/** Whether a column has only numbers and empty cells. */
function isNumeric(cells: readonly string[]): boolean {
  const filled = cells.filter((cell) => cell !== '')
  return filled.length > 0 && filled.every((cell) => /^[+-]?\d[\d.,]* ?%?$/.test(cell))
}

/** Cuts rows, columns and cells to the bounds, and returns the original number of columns. */
function narrowed(
  rows: string[][],
  bounds: typeof firstBounds,
): { rows: string[][]; columns: number; isNarrowed: boolean } {
  let columns = 0
  let cells = 0
  let isNarrowed = false
  const kept: string[][] = []
  for (const row of rows) {
    columns = Math.max(columns, row.length)
    const shown = row.slice(0, bounds.columns)
    cells += shown.length
    if (cells > bounds.cells) break
    isNarrowed ||= row.length > bounds.columns
    kept.push(
      shown.map((cell) => {
        isNarrowed ||= cell.length > bounds.characters
        return cutText(cell, bounds.characters)
      }),
    )
  }
  return { rows: kept, columns, isNarrowed }
}

export async function archivePreview(
  shown: ShownFile,
  { members, total, isWhole }: ArchiveListing,
): Promise<Html> {
  const isCut = ({ name }: ArchiveMember): boolean =>
    shown.wantedBytes === 0 && name.length > nameCharactersMax
  const hasPacked = members.some(({ packedBytes }) => packedBytes !== null)
  return await fittingTable(shown, {
    name: 'Members of the archive',
    count: `${isWhole ? '' : 'At least '}${counted(total, 'member')}`,
    isWhole: isWhole && total <= members.length,
    isNarrowed: members.some(isCut),
    columns: ['Name', figures('Size'), ...(hasPacked ? [figures('Compressed')] : [])],
    rows: members,
    render: (member) => <MemberRow shown={shown} member={member} isCut={isCut(member)} />,
  })
}

function MemberRow({
  shown: { artifact, file },
  member: { name, sizeBytes, packedBytes, isFile },
  isCut,
}: {
  shown: ShownFile
  member: ArchiveMember
  isCut: boolean
}): Html {
  const path = memberNameOf(name)
  // Browsers resolve segments such as `..` in an address.
  const hasPage = isFile && !isCut && pathFault(path) === undefined
  return (
    <tr>
      <th scope="row">
        {hasPage ? (
          <a href={blobPath(artifact, memberPath(file.path, path))}>{name}</a>
        ) : isCut ? (
          cutText(name, nameCharactersMax)
        ) : (
          name
        )}
      </th>
      <td class="number">{formatSizeBytes(sizeBytes)}</td>
      {packedBytes !== null && <td class="number">{formatSizeBytes(packedBytes)}</td>}
    </tr>
  )
}

/** Renders as many rows as fit, and a link to more. */
async function fittingTable<Row>(
  shown: ShownFile,
  {
    name,
    count,
    isWhole,
    isNarrowed,
    columns,
    rows,
    render,
  }: {
    name: string
    /** The number of all rows, in words. */
    count: string
    /** False if the file has more rows than `rows`. */
    isWhole: boolean
    /** Whether cells of `rows` were omitted or cut. */
    isNarrowed: boolean
    columns: (string | Column)[]
    rows: Row[]
    render(row: Row): Child
  },
): Promise<Html> {
  const { pieces } = await renderFitting(rows, render, previewBytesMax(shown))
  const isAll = isWhole && pieces.length === rows.length
  return (
    <>
      <Table
        name={name}
        style=""
        caption={isAll ? count : `${count}, showing the first ${formatCount(pieces.length)}`}
        columns={columns}
      >
        {raw(pieces.join(''))}
      </Table>
      {(pieces.length < rows.length || (isNarrowed && shown.wantedBytes === 0)) && (
        <ShowMore {...shown} />
      )}
    </>
  )
}

export function ShowMore(shown: ShownFile): Html {
  return (
    <p>
      <a href={wholePath(shown)}>Show more</a>
    </p>
  )
}
