/** Files that are tables: separated values, and the members of a zip. */
import { formatSizeBytes } from '../../core/units.ts'
import { counted } from '../format.tsx'
import type { Html } from '../html.ts'
import { figures, Table } from '../table.tsx'
import { parseCsv } from './csv.ts'
import { type PreviewRequest, readBytes } from './request.ts'
import { listZipMembers, zipTailBytesMax } from './zip-listing.ts'

const csvRowsMax = 1000
const zipMembersMax = 1000

export function CsvPreview({ text, separator }: { text: string; separator: string }): Html {
  const { rows, complete } = parseCsv(text, { separator, rowsMax: csvRowsMax + 1 })
  const [head = [], ...body] = rows
  return (
    <Table
      name="Table"
      style=""
      caption={`${body.length.toLocaleString('en')} rows${complete ? '' : ', the first of more'}`}
      columns={head}
    >
      {body.map((row) => (
        <tr>
          {row.map((cell) => (
            <td>{cell}</td>
          ))}
        </tr>
      ))}
    </Table>
  )
}

export async function zipPreview(request: PreviewRequest): Promise<Html | undefined> {
  const { sizeBytes } = request.file
  const tail = await readBytes(request, Math.max(0, sizeBytes - zipTailBytesMax), sizeBytes)
  const listing = listZipMembers(tail, sizeBytes, zipMembersMax)
  if (listing === undefined) return undefined
  return (
    <Table
      name="Members of the archive"
      caption={
        counted(listing.total, 'member') +
        (listing.total > listing.members.length ? ', the first of them here' : '')
      }
      columns={['Name', figures('Size'), figures('Packed')]}
    >
      {listing.members.map((member) => (
        <tr>
          <th scope="row">{member.name}</th>
          <td class="number">{formatSizeBytes(member.sizeBytes)}</td>
          <td class="number">{formatSizeBytes(member.packedBytes)}</td>
        </tr>
      ))}
    </Table>
  )
}
