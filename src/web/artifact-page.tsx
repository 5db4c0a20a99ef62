/** `/{o}/{r}/actions/runs/{run}/artifacts/{id}`: what an artifact is, and one directory of it with links to files. */
import type { Child } from 'hono/jsx'
import { archivePath, artifactPagePath, filePath, manifestPath } from '../api/paths.ts'
import type { DirectoryListing } from '../browse/directory.ts'
import { formatWireDigest } from '../core/digest.ts'
import type { Artifact } from '../metadata/metadata.ts'
import { counted, Fact, ShortDigest, Size, Time } from './format.tsx'
import type { Html } from './html.ts'

export interface ArtifactView {
  artifact: Artifact
  /** '' is the root. */
  directory: string
  listing: DirectoryListing
  damagedFiles: string[]
  mayDelete: boolean
  now: number
}

export function ArtifactPage(view: ArtifactView): Html {
  const { artifact, now, damagedFiles } = view
  return (
    <>
      <h1>{artifact.name}</h1>
      <p>
        {counted(artifact.fileCount, 'file')}, <Size bytes={artifact.logicalBytes} />.{' '}
        {artifact.pinned ? (
          'Kept until somebody lets it go.'
        ) : (
          <>
            Expires <Time at={artifact.expiresAt} now={now} />.
          </>
        )}
      </p>
      {artifact.opaqueReason !== null && (
        <p class="note">
          Not taken apart: {artifact.opaqueReason}. The zip comes back as it was sent.
        </p>
      )}
      {damagedFiles.length > 0 && <Damage paths={damagedFiles} />}
      <Downloads artifact={artifact} />
      <Files {...view} />
      <h2>Details</h2>
      <Details artifact={artifact} now={now} />
      {view.mayDelete && <DeleteForm artifact={artifact} />}
    </>
  )
}

function Damage({ paths }: { paths: string[] }) {
  return (
    <div class="note" role="alert">
      <p>
        {counted(paths.length, 'file')} cannot be read, because stored bytes are bad. The others are
        whole. The next upload of the same content heals them.
      </p>
      <ul>
        {paths.slice(0, 20).map((path) => (
          <li>{path}</li>
        ))}
      </ul>
    </div>
  )
}

function Downloads({ artifact }: { artifact: Artifact }) {
  const onlyFile = artifact.kind === 'raw' ? artifact.fileName : null
  return (
    <p class="buttons">
      <a class="button first" href={archivePath(artifact.id, 'zip')}>
        Download zip (<Size bytes={artifact.zipBytes} />)
      </a>
      <a class="button" href={archivePath(artifact.id, 'tar.gz')}>
        Download tar.gz (<Size bytes={artifact.tarGzBytes} />)
      </a>
      {onlyFile !== null && (
        <a class="button" href={`${filePath(artifact.id, onlyFile)}?download=1`}>
          Download {onlyFile}
        </a>
      )}
    </p>
  )
}

function Details({ artifact, now }: { artifact: Artifact; now: number }) {
  return (
    <dl>
      <Fact term="Tree digest">
        <span class="digest">{formatWireDigest(artifact.treeDigest)}</span>
      </Fact>
      {artifact.zipDigest !== null && (
        <Fact term="Zip digest">
          <span class="digest">{formatWireDigest(artifact.zipDigest)}</span>
        </Fact>
      )}
      <Fact term="Job">{artifact.job}</Fact>
      <Fact term="Attempt">{String(artifact.attempt)}</Fact>
      <Fact term="Branch">{artifact.branch ?? '–'}</Fact>
      <Fact term="Commit">
        <span class="digest">{artifact.sha ?? '–'}</span>
      </Fact>
      <Fact term="New bytes">
        <Size bytes={artifact.newBytes} />
      </Fact>
      <Fact term="Uploaded">
        <Time at={artifact.createdAt} now={now} />
      </Fact>
      <Fact term="Id">{String(artifact.id)}</Fact>
      <Fact term="Manifest">
        <a href={manifestPath(artifact.id)}>NDJSON</a>
      </Fact>
    </dl>
  )
}

function Files({ artifact, directory, listing, now }: ArtifactView) {
  const page = artifactPagePath(artifact.project, artifact.runNumber, artifact.id)
  return (
    <>
      <h2 id="files">
        <PathTrail page={page} directory={directory} />
      </h2>
      {listing.children.length === 0 && <p class="quiet">Nothing is in here.</p>}
      {listing.children.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col">Mode</th>
                <th scope="col">Digest</th>
                <th scope="col">Modified</th>
              </tr>
            </thead>
            <tbody>
              {listing.children.map((child) => (
                <EntryRow artifact={artifact} page={page} child={child} now={now} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {listing.next !== null && (
        <p>
          <a href={directoryLink(page, directory, listing.next)}>More entries</a>
        </p>
      )}
    </>
  )
}

/** The directory with a link for each of its parents. */
function PathTrail({ page, directory }: { page: string; directory: string }) {
  const segments = directory === '' ? [] : directory.split('/')
  const trail: Child[] = [<a href={`${page}#files`}>Files</a>]
  for (const [index, segment] of segments.entries()) {
    const path = segments.slice(0, index + 1).join('/')
    trail.push(
      ' / ',
      index === segments.length - 1 ? segment : <a href={directoryLink(page, path)}>{segment}</a>,
    )
  }
  return <>{trail}</>
}

function EntryRow({
  artifact,
  page,
  child: { entry, modifiedAt },
  now,
}: {
  artifact: Artifact
  page: string
  child: DirectoryListing['children'][number]
  now: number
}) {
  const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
  return (
    <tr>
      <th scope="row">
        {entry.kind === 'file' && <a href={filePath(artifact.id, entry.path)}>{name}</a>}
        {entry.kind === 'directory' && <a href={directoryLink(page, entry.path)}>{name}/</a>}
        {entry.kind === 'symlink' && (
          <>
            {name} <span class="quiet">→ {entry.target}</span>
          </>
        )}
      </th>
      <td class="number">{entry.kind === 'file' && <Size bytes={entry.sizeBytes} />}</td>
      <td>
        <code>{entry.mode.toString(8).padStart(3, '0')}</code>
      </td>
      <td>{entry.kind === 'file' && <ShortDigest digest={entry.digest} />}</td>
      <td>{modifiedAt !== null && <Time at={modifiedAt * 1000} now={now} />}</td>
    </tr>
  )
}

function directoryLink(page: string, directory: string, from?: string): string {
  const query = new URLSearchParams({ path: directory, ...(from !== undefined && { from }) })
  return `${page}?${query.toString()}#files`
}

/** Works without scripts: the button shows only after the words that say what it does. */
function DeleteForm({ artifact }: { artifact: Artifact }) {
  const action = `${artifactPagePath(artifact.project, artifact.runNumber, artifact.id)}/delete`
  return (
    <details>
      <summary>Delete this artifact…</summary>
      <p>
        {artifact.name} with {counted(artifact.fileCount, 'file')} will be gone at once. Files that
        other artifacts hold stay stored.
      </p>
      <form method="post" action={action}>
        <button class="danger">Delete {artifact.name}</button>
      </form>
    </details>
  )
}
