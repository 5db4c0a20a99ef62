/** Files that are tables: separated values, and the members of a zip. */
import type { Child } from 'hono/jsx'
import { formatSizeBytes } from '../../core/units.ts'
import { countFitting } from '../fitting.ts'
import { counted } from '../format.tsx'
import type { Html } from '../html.ts'
import { blobPath, withQuery } from '../paths.ts'
import { type Column, figures, Table } from '../table.tsx'
import { parseCsv } from './csv.ts'
import { type PreviewRequest, readBytes, textBytesMax } from './request.ts'
import { listZipMembers, type ZipMember, zipTailBytesMax } from './zip-listing.ts'

const csvRowsMax = 1000
const zipMembersMax = 1000

export async function csvPreview(request: PreviewRequest, text: string): Promise<Html> {
  const separator = request.file.path.toLowerCase().endsWith('.tsv') ? '\t' : ','
  const { rows, complete } = parseCsv(text, { separator, rowsMax: csvRowsMax + 1 })
  const [head = [], ...body] = rows
  const cells = body.map((row) => (
    <tr>
      {row.map((cell) => (
        <td>{cell}</td>
      ))}
    </tr>
  ))
  const count = complete ? counted(body.length, 'row') : `more than ${counted(body.length, 'row')}`
  return await fittingTable(request, { name: 'Table', count, complete, columns: head, rows: cells })
}

/** Undefined when its end is none of a zip. */
export async function zipPreview(request: PreviewRequest): Promise<Html | undefined> {
  const { sizeBytes } = request.file
  const tail = await readBytes(request, Math.max(0, sizeBytes - zipTailBytesMax), sizeBytes)
  const listing = listZipMembers(tail, sizeBytes, zipMembersMax)
  if (listing === undefined) return undefined
  return await fittingTable(request, {
    name: 'Members of the archive',
    count: counted(listing.total, 'member'),
    complete: listing.total <= listing.members.length,
    columns: ['Name', figures('Size'), figures('Packed')],
    rows: listing.members.map(memberRow),
  })
}

function memberRow(member: ZipMember): Child {
  return (
    <tr>
      <th scope="row">{member.name}</th>
      <td class="number">{formatSizeBytes(member.sizeBytes)}</td>
      <td class="number">{formatSizeBytes(member.packedBytes)}</td>
    </tr>
  )
}

/** As many rows as fit, and a way to the others. */
async function fittingTable(
  { artifact, file, wantedBytes }: PreviewRequest,
  {
    name,
    count,
    complete,
    columns,
    rows,
  }: {
    name: string
    /** Of all rows, in words. */
    count: string
    /** False when there are more than `rows`. */
    complete: boolean
    columns: (string | Column)[]
    rows: Child[]
  },
): Promise<Html> {
  const fitting = wantedBytes === 0 ? await countFitting(rows, (row) => row) : rows.length
  const isAll = complete && fitting === rows.length
  return (
    <>
      <Table
        name={name}
        style=""
        caption={isAll ? count : `${count}, the first ${fitting.toLocaleString('en')} here`}
        columns={columns}
      >
        {rows.slice(0, fitting)}
      </Table>
      {fitting < rows.length && (
        <p>
          <a href={withQuery(blobPath(artifact, file.path), { bytes: String(textBytesMax) })}>
            Show more
          </a>
        </p>
      )}
    </>
  )
}
