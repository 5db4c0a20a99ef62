/** The tab Details of an artifact. */
import { attestationPath, manifestPath } from '../../api/paths.ts'
import { isKept } from '../../core/policy/retention.ts'
import { formatReference } from '../../core/reference.ts'
import { dayMs } from '../../core/units.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import { Commands } from '../parts/commands.tsx'
import { CopyButton, Fact, formatInstant, Size, Time, WholeDigest } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { FactLink, Ordinal, PullRequest } from '../parts/run-facts.tsx'
import { shellFile, shellWord } from '../parts/shell.ts'
import { actionPath, artifactPath, auditPagePath, latestPath } from '../paths.ts'
import { ArtifactFrame, type ArtifactHead } from './artifact-page.tsx'
import { SecretsFact } from './secrets-note.tsx'

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
          <FactLink of={artifact} fact="branch" /> <PullRequest run={artifact} />
        </Fact>
        {artifact.actor !== null && (
          <Fact term="Started by">
            <FactLink of={artifact} fact="actor" />
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
            {artifact.state !== 'damaged' && <a href={`${latest}?download`}>zip</a>}
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
