/** What the pages of one artifact share: header, actions and tabs; and the tab Details. */
import { counted, dayMs } from '../../core/units.ts'
import type { Child } from 'hono/jsx'
import {
  archivePath,
  attestationPath,
  filePath,
  manifestPath,
  runPagePath,
} from '../../api/paths.ts'
import { formatReference } from '../../core/reference.ts'
import { effectiveState, isKept } from '../../core/policy/retention.ts'
import type { Artifact, SecretList } from '../../metadata/metadata.ts'
import { OnBranch } from '../parts/artifact-name.tsx'
import { Commands } from '../parts/commands.tsx'
import { curlCommand, shellFile, shellWord } from '../parts/shell.ts'
import { CopyButton, Fact, formatInstant, Size, Time, WholeDigest } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import {
  actionPath,
  artifactPath,
  type ArtifactTab,
  auditPagePath,
  blobPath,
  latestPath,
  tabPath,
} from '../paths.ts'
import { BranchLink, Ordinal, PullRequest, StartedBy } from '../parts/run-facts.tsx'
import { Untrusted } from '../parts/untrusted.tsx'
import { SecretsFact, SecretsNote } from './secrets-note.tsx'

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
      {damagedFiles.length > 0 && <Damage artifact={artifact} paths={damagedFiles} />}
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

function Damage({ artifact, paths }: { artifact: Artifact; paths: string[] }) {
  return (
    <div class="note" role="alert">
      <p>
        {counted(paths.length, 'file')} cannot be read, because the stored bytes are damaged. All
        other files are intact. The next upload of the same content heals them.
      </p>
      <ul>
        {paths.slice(0, 20).map((path) => (
          <li>
            <a href={blobPath(artifact, path)}>{path}</a>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Actions(head: ArtifactHead) {
  const { artifact, mayDelete, mayWrite } = head
  const onlyFile = artifact.kind === 'raw' ? artifact.fileName : null
  return (
    <>
      <div class="buttons">
        <a class="button first" href={archivePath(artifact.id, 'zip')} data-key="d">
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
      <details class="aside">
        <summary>Download from a shell</summary>
        <ShellLines {...head} />
      </details>
    </>
  )
}

function ShellLines({ artifact: { id, name }, origin, isPublic }: ArtifactHead) {
  const archive = archivePath(id, 'tar.gz')
  const lines = [
    `trove download id:${id} ${shellFile(name)}`,
    curlCommand(origin + archive, { file: `${name}.tar.gz`, isPublic }),
  ]
  return <Commands text={lines.join('\n')} />
}

function AttestationLines({ artifact }: { artifact: Artifact }) {
  const { id, project, runNumber: run, name } = artifact
  const file = shellFile(attestationFile(artifact))
  const reference = shellWord(formatReference({ kind: 'run', project, run, name }))
  const lines = [
    `trove attest id:${id} -o ${file}`,
    'trove attest --public-key -o trove.pub',
    `trove verify ${reference} DIR --attestation ${file} --key trove.pub`,
  ].join('\n')
  return <Commands text={lines} />
}

function attestationFile({ name }: Artifact): string {
  return `${name}.attestation.json`
}

export function DetailsTab({ head }: { head: ArtifactHead }): Html {
  const { artifact, now, mayWrite, keptReason } = head
  const address = artifactPath(artifact)
  const { project, branch, name } = artifact
  const latest = branch === null ? null : latestPath(project, { branch, name })
  return (
    <ArtifactFrame head={head} tab="details">
      <dl class="facts long">
        <Fact term="Tree digest">
          <WholeDigest digest={artifact.treeDigest} what="tree digest" />
        </Fact>
        {artifact.zipDigest !== null && (
          <Fact term="Zip digest">
            <WholeDigest digest={artifact.zipDigest} what="zip digest" />
          </Fact>
        )}
        <Fact term="Job">{artifact.job}</Fact>
        <Fact term="Attempt">{String(artifact.attempt)}</Fact>
        <Fact term="Workflow">
          {artifact.workflow ?? '–'} <Ordinal run={artifact} />
        </Fact>
        <Fact term="Branch">
          <BranchLink run={artifact} /> <PullRequest run={artifact} />
        </Fact>
        {artifact.actor !== null && (
          <Fact term="Started by">
            <StartedBy run={artifact} />
          </Fact>
        )}
        <Fact term="Commit">
          <span class="digest">{artifact.sha ?? '–'}</span>
        </Fact>
        <Fact term="New bytes">
          <Size bytes={artifact.newBytes} /> added to the store by this upload
        </Fact>
        <Fact term="Uploaded">
          <Time at={artifact.createdAt} now={now} />
        </Fact>
        <Fact term="Expires">
          {isKept(artifact) ? '' : `${formatInstant(artifact.expiresAt)}, `}
          {keptReason}
        </Fact>
        {head.mayInspect && (
          <Fact term="Secrets">
            <SecretsFact {...head} />
          </Fact>
        )}
        <Fact term="Id">{String(artifact.id)}</Fact>
        {mayWrite && (
          <Fact term="Audit log">
            <a href={auditPagePath(artifact.project, { artifact: String(artifact.id) })}>
              Entries for this artifact
            </a>
          </Fact>
        )}
        <Fact term="Permanent address">
          <span class="copyable">
            <a href={address} data-key="y">
              {address}
            </a>
            <CopyButton text={head.origin + address} what="address" />
          </span>
        </Fact>
        {latest !== null && (
          <Fact term="Latest address">
            <span class="copyable">
              <a href={latest}>{latest}</a>
              <CopyButton text={head.origin + latest} what="latest address" />
            </span>{' '}
            <a href={`${latest}?download`}>zip</a>
          </Fact>
        )}
        <Fact term="Manifest">
          <a href={manifestPath(artifact.id)}>NDJSON</a>
        </Fact>
        <Fact term="Attestation">
          <a href={attestationPath(artifact.id)} download={attestationFile(artifact)}>
            Signed statement of the run that its files came from
          </a>
        </Fact>
      </dl>
      <details class="aside">
        <summary>Verify its files later, without this server</summary>
        <AttestationLines artifact={artifact} />
      </details>
      {mayWrite && !artifact.pinned && <ExpiryForm artifact={artifact} now={now} />}
    </ArtifactFrame>
  )
}

function ExpiryForm({ artifact, now }: { artifact: Artifact; now: number }) {
  // One that is kept as the latest may be past its expiry.
  const days = Math.max(1, Math.ceil((artifact.expiresAt - now) / dayMs))
  return (
    <form method="post" action={actionPath(artifact, 'expire')} class="filter">
      <label class="inline">
        Expires in
        <input name="days" type="number" min="0" max="36500" value={String(days)} required /> days
      </label>
      <button>Change</button>
    </form>
  )
}
