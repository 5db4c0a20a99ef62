/** `/find?digest=`: which artifacts hold a file. A file dropped here is hashed in the browser
 *  and never sent. */
import { projectPagePath } from '../../api/paths.ts'
import { counted } from '../../core/units.ts'
import type { Holder } from '../../browse/holders.ts'
import type { Digest } from '../../core/bytes/digest.ts'
import { RunCells } from '../parts/artifact-name.tsx'
import { Time, SizeCell, TimeCell } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { artifactPath, blobPath } from '../paths.ts'
import { CommitCell } from '../parts/run-facts.tsx'
import { figures, Table } from '../parts/table.tsx'

export interface FindView {
  /** As typed. */
  text: string
  /** Undefined if the text is not a digest. */
  digest: Digest | undefined
  holders: Holder[]
  /** Whether there may be more holders than are listed. */
  isCut: boolean
  hashWorker: string
  now: number
}

export function FindPage(view: FindView): Html {
  const { text, digest, holders } = view
  return (
    <>
      <h1>Find a file</h1>
      <form class="filter" method="get" action="/find">
        <label class="wide">
          SHA-256 of its content
          <input
            name="digest"
            type="search"
            value={text}
            data-key="/"
            spellcheck={false}
            autocomplete="off"
            placeholder="sha256:…"
            required
          />
        </label>
        <button>Find</button>
      </form>
      <p class="quiet no-script">
        <code>sha256sum FILE</code> prints it.
      </p>
      <div class="drop needs-script" data-find data-worker={view.hashWorker}>
        <label>
          Drop a file here, or choose one: <input type="file" />
        </label>
        <p class="quiet">Your browser hashes the file; its content is not sent.</p>
        <p data-progress role="status"></p>
      </div>
      {text !== '' && digest === undefined && (
        <p class="note" role="alert">
          This is not a SHA-256 digest. Enter 64 hexadecimal digits, with or without{' '}
          <code>sha256:</code> in front.
        </p>
      )}
      {digest !== undefined && holders.length === 0 && (
        <p>No artifact that you can read contains this file.</p>
      )}
      {holders.length > 0 && <Holders {...view} />}
    </>
  )
}

function Holders({ holders, isCut, now }: FindView) {
  const first = holders.at(-1)
  return (
    <>
      <p class="lead">
        {isCut ? 'The newest ' : ''}
        {counted(holders.length, 'artifact')}
        {!isCut && first !== undefined && (
          <>
            , first seen <Time at={first.artifact.createdAt} now={now} /> in run{' '}
            {first.artifact.runNumber}
          </>
        )}
        .
      </p>
      <Table
        name="Artifacts with this file, newest first"
        columns={[
          'Artifact',
          'Path',
          'Project',
          'Run',
          'Branch',
          'Commit',
          figures('Artifact size'),
          'Uploaded',
        ]}
      >
        {holders.map(({ artifact, path }) => (
          <tr>
            <th scope="row">
              <a href={artifactPath(artifact)}>{artifact.name}</a>
            </th>
            <td>{path === null ? '–' : <a href={blobPath(artifact, path)}>{path}</a>}</td>
            <td>
              <a href={projectPagePath(artifact.project)}>{artifact.project}</a>
            </td>
            <RunCells artifact={artifact} />
            <CommitCell of={artifact} />
            <SizeCell bytes={artifact.logicalBytes} />
            <TimeCell at={artifact.createdAt} now={now} />
          </tr>
        ))}
      </Table>
    </>
  )
}
