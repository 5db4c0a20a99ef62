/** The tab Files of an artifact: the entries of one directory, folders first within a page. */
import { baseName, parentOf } from '../../core/manifest/entry.ts'
import { counted } from '../../core/units.ts'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Artifact, DirectoryListing } from '../../metadata/metadata.ts'
import { ArtifactFrame, type ArtifactHead } from './artifact-page.tsx'
import { isShownTime, mode, Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { actionPath, archivePartPath, blobPath, sizesPagePath, treePath } from '../paths.ts'
import { figures, NextPage, Table } from '../parts/table.tsx'

export interface FilesView {
  head: ArtifactHead
  /** '' is the root. */
  directory: string
  /** The markup of each entry that is shown. */
  rows: readonly string[]
  /** Path that the next page begins with. */
  next: string | null
}

type ListedChild = DirectoryListing['children'][number]

export function FilesTab({ head, directory, rows, next }: FilesView): Html {
  const { artifact } = head
  return (
    <ArtifactFrame head={head} tab="files">
      <GoToFile artifact={artifact} />
      <h2 class="trail">
        <FileTrail artifact={artifact} path={directory} />
      </h2>
      {directory !== '' && <DirectoryLinks artifact={artifact} directory={directory} />}
      {rows.length === 0 ? (
        <p class="quiet">This directory is empty.</p>
      ) : (
        <Table
          name={`Files: ${counted(rows.length, 'entry', 'entries')}`}
          columns={['Name', figures('Size'), 'Mode', 'Digest', 'Modified']}
        >
          {directory !== '' && <UpRow artifact={artifact} directory={directory} />}
          {raw(rows.join(''))}
        </Table>
      )}
      <NextPage href={next && treePath(artifact, directory, next)} label="More entries" />
    </ArtifactFrame>
  )
}

/** Without scripts a form that opens an exact path; with scripts a list that is filtered while
 *  the visitor types. */
function GoToFile({ artifact }: { artifact: Artifact }) {
  return (
    <form
      class="go"
      method="get"
      action={actionPath(artifact, 'go')}
      role="search"
      data-paths={actionPath(artifact, 'paths')}
      data-blob={blobPath(artifact, '')}
    >
      <label>
        Go to file
        <input
          name="path"
          type="search"
          autocomplete="off"
          spellcheck={false}
          data-key="t"
          placeholder="path or part of a path"
        />
      </label>
      <button>Go</button>
      <ul class="found" hidden aria-label="Matching files"></ul>
    </form>
  )
}

/** A path in the file listing. */
export function FileTrail({ artifact, path }: { artifact: Artifact; path: string }): Html {
  return <PathTrail path={path} root="Files" hrefOf={(each) => treePath(artifact, each)} />
}

/** A path with a link to each of its parent directories; `root` names the topmost one. */
export function PathTrail({
  path,
  root,
  hrefOf,
}: {
  path: string
  root: string
  hrefOf(directory: string): string
}): Html {
  const segments = path === '' ? [] : path.split('/')
  const trail: Child[] = [segments.length === 0 ? root : <a href={hrefOf('')}>{root}</a>]
  for (const [index, segment] of segments.entries()) {
    const parent = segments.slice(0, index + 1).join('/')
    trail.push(
      <span class="slash"> / </span>,
      index === segments.length - 1 ? segment : <a href={hrefOf(parent)}>{segment}</a>,
    )
  }
  return <>{trail}</>
}

function DirectoryLinks({ artifact, directory }: { artifact: Artifact; directory: string }) {
  const part = { directory, intact: artifact.state === 'damaged' }
  return (
    <p>
      Download {part.intact && 'the intact files of '}this directory as{' '}
      <a href={archivePartPath(artifact.id, 'zip', part)}>zip</a> or{' '}
      <a href={archivePartPath(artifact.id, 'tar.gz', part)}>tar.gz</a> ·{' '}
      <a href={sizesPagePath(artifact, directory)}>Sizes</a>
    </p>
  )
}

function UpRow({ artifact, directory }: { artifact: Artifact; directory: string }) {
  return (
    <tr>
      <th scope="row" colspan={5}>
        <a href={treePath(artifact, parentOf(directory))} aria-label="Parent directory">
          ..
        </a>
      </th>
    </tr>
  )
}

export function EntryRow({
  artifact,
  child: { entry, modifiedAt },
  now,
}: {
  artifact: Artifact
  child: ListedChild
  now: number
}): Html {
  const name = baseName(entry.path)
  return (
    <tr>
      <th scope="row">
        {entry.kind === 'file' && <a href={blobPath(artifact, entry.path)}>{name}</a>}
        {entry.kind === 'directory' && (
          <a class="folder" href={treePath(artifact, entry.path)}>
            {name}/
          </a>
        )}
        {entry.kind === 'symlink' && (
          <>
            <a href={blobPath(artifact, entry.path)}>{name}</a>{' '}
            <span class="quiet">→ {entry.target}</span>
          </>
        )}
      </th>
      <td class="number">{entry.kind === 'file' && <Size bytes={entry.sizeBytes} />}</td>
      <td>
        <code>{mode(entry.mode)}</code>
        {entry.kind === 'file' && (entry.mode & 0o111) !== 0 && (
          <span class="badge" title="executable">
            x
          </span>
        )}
      </td>
      <td class="digest">{entry.kind === 'file' && entry.digest.slice(0, 12)}</td>
      <td>{isShownTime(modifiedAt) && <Time at={modifiedAt * 1000} now={now} />}</td>
    </tr>
  )
}
