/** `.../blob/{path}`: one file: its facts, its preview, and other artifacts with the same
 *  content. */
import { filePath } from '../../api/paths.ts'
import type { Artifact, StoredEntry, StoredFile } from '../../metadata/metadata.ts'
import { WholeArtifactLink } from '../parts/artifact-name.tsx'
import type { ArtifactHead } from './artifact-page.tsx'
import { FileTrail } from './files-tab.tsx'
import { isShownTime, mode, Size, Time, WholeDigest } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { Commands } from '../parts/commands.tsx'
import { curlCommand, shellFile, shellWord } from '../parts/shell.ts'
import { artifactPath, blobPath, historyPagePath, latestPath, withQuery } from '../paths.ts'
import { SignedLink } from '../parts/signed-link.tsx'
import type { Preview } from '../preview/shown-file.ts'
import { baseName } from '../../core/manifest/entry.ts'
import { Untrusted } from '../parts/untrusted.tsx'

export interface FileView {
  head: ArtifactHead
  file: StoredFile
  /** Whether its content is damaged. */
  isUnreadable: boolean
  modifiedAt: number | null
  asText: boolean
  preview: Preview
  /** Live artifacts that hold the same content, newest first; may include this one. */
  holders: Artifact[]
  /** Whether the visitor may see artifacts of other runs. */
  seesHistory: boolean
}

export function FilePage(view: FileView): Html {
  const { head, file, isUnreadable, modifiedAt, asText, preview, seesHistory } = view
  const { artifact, now } = head
  const raw = filePath(artifact.id, file.path)
  const page = blobPath(artifact, file.path)
  return (
    <>
      <h1 class="trail">
        <FileTrail artifact={artifact} path={file.path} />
      </h1>
      <p class="lead">
        <Size bytes={file.sizeBytes} />, mode <code>{mode(file.mode)}</code>
        {isShownTime(modifiedAt) && (
          <>
            , modified <Time at={modifiedAt * 1000} now={now} />
          </>
        )}
        , in <a href={artifactPath(artifact)}>{artifact.name}</a>.{' '}
        <WholeDigest digest={file.digest} what="digest" />
      </p>
      <div class="buttons">
        {!isUnreadable && (
          <>
            <a class="button first" href={`${raw}?download=1`} data-key="d">
              Download
            </a>
            <a class="button" href={raw}>
              Raw
            </a>
            <OtherForm page={page} asText={asText} preview={preview} />
          </>
        )}
        {seesHistory && (
          <a class="button" href={historyPagePath(artifact, file.path)}>
            History
          </a>
        )}
        {seesHistory && <LatestLink {...artifact} path={file.path} />}
        <button type="button" class="needs-script" data-copy={head.origin + page}>
          Copy link
        </button>
        {!isUnreadable && (
          <SignedLink artifactId={artifact.id} path={file.path} isPublic={head.isPublic} />
        )}
      </div>
      {!isUnreadable && (
        <details class="aside">
          <summary>Download from a shell</summary>
          <Commands text={shellLines(view)} />
        </details>
      )}
      <Untrusted run={artifact} />
      {preview.shown}
      <Holders {...view} />
    </>
  )
}

/** Switches between the preview and the source, if there is another form than the one shown. */
export function OtherForm({
  page,
  asText,
  preview,
}: {
  page: string
  asText: boolean
  preview: Preview
}): Html {
  if (!asText && !preview.hasSource) return <></>
  return (
    <a class="button" href={withQuery(page, { as: asText ? '' : 'text' })}>
      {asText ? 'Preview' : 'Source'}
    </a>
  )
}

export type Symlink = Extract<StoredEntry, { kind: 'symlink' }>

/** `.../blob/{path}` of a symlink that leads to nothing in the artifact. */
export function LinkPage({ artifact, link }: { artifact: Artifact; link: Symlink }): Html {
  return (
    <>
      <h1 class="trail">
        <FileTrail artifact={artifact} path={link.path} />
      </h1>
      <p class="lead">
        A symlink to <code>{link.target}</code>, in{' '}
        <a href={artifactPath(artifact)}>{artifact.name}</a>.
      </p>
      <p class="note">It leads to no file or directory of this artifact.</p>
    </>
  )
}

/** An address that stays the same from run to run; empty for an artifact without a branch. */
function LatestLink({
  project,
  branch,
  name,
  path,
}: Pick<Artifact, 'project' | 'branch' | 'name'> & { path: string }) {
  if (branch === null) return <></>
  return (
    <a class="button" href={latestPath(project, { branch, name }, path)}>
      <span>
        Latest on <bdi>{branch}</bdi>
      </span>
    </a>
  )
}

function shellLines({ head: { artifact, origin, isPublic }, file: { path } }: FileView): string {
  const name = baseName(path)
  return [
    `trove cat ${shellWord(`id:${artifact.id}:${path}`)} > ${shellFile(name)}`,
    curlCommand(origin + filePath(artifact.id, path), { file: name, isPublic }),
  ].join('\n')
}

function Holders({ holders, head, file }: FileView) {
  const others = holders.filter(({ id }) => id !== head.artifact.id)
  return (
    <section aria-labelledby="holders">
      <h2 id="holders">Same content elsewhere</h2>
      {others.length === 0 ? (
        <p class="quiet">No other artifact that you can read contains this file.</p>
      ) : (
        <ul>
          {others.slice(0, 10).map((artifact) => (
            <li>
              <WholeArtifactLink artifact={artifact} />{' '}
              <Time at={artifact.createdAt} now={head.now} />
            </li>
          ))}
        </ul>
      )}
      {others.length > 10 && (
        <p>
          <a href={withQuery('/find', { digest: `sha256:${file.digest}` })}>Show all</a>
        </p>
      )}
    </section>
  )
}
