/** What the pages of one artifact share: header, actions and tabs. */
import { limits } from '../../core/limits.ts'
import { counted } from '../../core/units.ts'
import type { Child } from 'hono/jsx'
import { filePath, runPagePath } from '../../api/paths.ts'
import { effectiveState, isKept } from '../../core/policy/retention.ts'
import type { Artifact, SecretList } from '../../metadata/metadata.ts'
import { OnBranch } from '../parts/artifact-name.tsx'
import { Commands } from '../parts/commands.tsx'
import { curlCommand, shellFile } from '../parts/shell.ts'
import { AndMore, Size, Time } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { actionPath, archivePartPath, type ArtifactTab, blobPath, tabPath } from '../paths.ts'
import { SignedLink } from '../parts/signed-link.tsx'
import { Untrusted } from '../parts/untrusted.tsx'
import { SecretsNote } from './secrets-note.tsx'

export interface ArtifactHead {
  artifact: Artifact
  damagedFiles: string[]
  /** Null until the artifact has been scanned. */
  secrets: SecretList | null
  /** Why it is kept as long as it is. */
  keptReason: string
  mayDelete: boolean
  /** Whether the visitor may know of credentials in it. */
  mayInspect: boolean
  /** May keep it, stop keeping it, change its expiry. */
  mayWrite: boolean
  /** Whether everyone may read it. */
  isPublic: boolean
  /** Origin for the shell commands on the page. */
  origin: string
  now: number
}

export function ArtifactFrame({
  head,
  tab,
  children,
}: {
  head: ArtifactHead
  tab: ArtifactTab
  children?: Child
}): Html {
  const { artifact, now, damagedFiles, keptReason } = head
  const state = effectiveState(artifact, now)
  return (
    <>
      <h1>
        <bdi>{artifact.name}</bdi>
        {state !== 'available' && <span class={`badge ${state}`}>{state}</span>}
      </h1>
      <p class="lead">
        {counted(artifact.fileCount, 'file')}, <Size bytes={artifact.logicalBytes} />, from{' '}
        <a href={runPagePath(artifact.project, artifact.runNumber)}>run {artifact.runNumber}</a>
        <OnBranch artifact={artifact} />.{' '}
        {isKept(artifact) ? (
          <>It is {keptReason}.</>
        ) : (
          <>
            Expires <Time at={artifact.expiresAt} now={now} /> ({keptReason}).
          </>
        )}
      </p>
      {artifact.opaqueReason !== null && (
        <p class="note">
          Stored as one zip: {artifact.opaqueReason}. Downloads return the zip exactly as it was
          sent.
        </p>
      )}
      {damagedFiles.length > 0 && <Damage {...head} />}
      <SecretsNote {...head} />
      <Untrusted run={artifact} />
      <Actions {...head} />
      <nav class="tabs" aria-label="Artifact">
        {tabs.map(([name, label]) => (
          <a href={tabPath(artifact, name)} aria-current={name === tab ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      {children}
    </>
  )
}

const tabs: [ArtifactTab, string][] = [
  ['files', 'Files'],
  ['sizes', 'Sizes'],
  ['changes', 'Changes'],
  ['used', 'Where used'],
  ['details', 'Details'],
]

const damagedShown = 20

function Damage(head: ArtifactHead) {
  const { artifact, damagedFiles } = head
  return (
    <div class="note" role="alert">
      <p>
        The stored bytes of {damagedFiles.length === limits.damagedPathsMax && 'at least '}
        {counted(damagedFiles.length, 'file')} are damaged.{' '}
        {hasIntactFiles(head)
          ? 'Downloads of the artifact leave out files that cannot be read.'
          : 'Nothing is left to download.'}{' '}
        The next upload of the same content heals them.
      </p>
      <ul>
        {damagedFiles.slice(0, damagedShown).map((path) => (
          <li>
            <a href={blobPath(artifact, path)}>{path}</a>
          </li>
        ))}
        <AndMore count={damagedFiles.length - damagedShown} />
      </ul>
    </div>
  )
}

/** A file can be read although its member of a zip as uploaded is damaged: from another upload. */
function hasIntactFiles({ artifact, damagedFiles }: ArtifactHead): boolean {
  return artifact.kind === 'exact' || damagedFiles.length < artifact.fileCount
}

function Actions(head: ArtifactHead) {
  const { artifact, mayDelete, mayWrite, isPublic } = head
  return (
    <>
      <div class="buttons">
        {(artifact.state !== 'damaged' || hasIntactFiles(head)) && (
          <Downloads artifact={artifact} />
        )}
        {artifact.state !== 'damaged' && (
          <SignedLink artifactId={artifact.id} isPublic={isPublic} />
        )}
        {mayWrite && (
          <form method="post" action={actionPath(artifact, 'keep')}>
            <input type="hidden" name="pinned" value={artifact.pinned ? '0' : '1'} />
            <button>{artifact.pinned ? 'Stop keeping' : 'Keep'}</button>
          </form>
        )}
        {mayDelete && (
          <a class="button danger" href={actionPath(artifact, 'delete')} data-dialog>
            Delete…
          </a>
        )}
      </div>
      {artifact.state !== 'damaged' && (
        <details class="aside">
          <summary>Download from a shell</summary>
          <ShellLines {...head} />
        </details>
      )}
    </>
  )
}

function Downloads({ artifact }: { artifact: Artifact }) {
  const { id, state, zipBytes, tarGzBytes } = artifact
  const onlyFile = artifact.kind === 'raw' ? artifact.fileName : null
  const intact = state === 'damaged'
  return (
    <>
      {(['zip', 'tar.gz'] as const).map((format) => (
        <a
          class={format === 'zip' ? 'button first' : 'button'}
          href={archivePartPath(id, format, { intact })}
          data-key={format === 'zip' ? 'd' : undefined}
        >
          Download{' '}
          {intact ? (
            `intact files as ${format}`
          ) : (
            <>
              {format} (<Size bytes={format === 'zip' ? zipBytes : tarGzBytes} />)
            </>
          )}
        </a>
      ))}
      {onlyFile !== null && (
        <a class="button" href={`${filePath(id, onlyFile)}?download=1`}>
          Download {onlyFile}
        </a>
      )}
    </>
  )
}

function ShellLines({ artifact: { id, name }, origin, isPublic }: ArtifactHead) {
  const archive = archivePartPath(id, 'tar.gz', {})
  const lines = [
    `trove download id:${id} ${shellFile(name)}`,
    curlCommand(origin + archive, { file: `${name}.tar.gz`, isPublic }),
  ]
  return <Commands text={lines.join('\n')} />
}
