/** `/{o}/{r}/actions/runs/{run}`: the artifacts of a run. Dead ones keep their row, with what became of them. */
import { archivePath, artifactPagePath, runArchivePath } from '../api/paths.ts'
import { effectiveState, isExpired } from '../core/retention.ts'
import type { Artifact, Run } from '../metadata/metadata.ts'
import { counted, Fact, ShortDigest, Size, Time } from './format.tsx'
import type { Html } from './html.ts'

export function RunPage({
  run,
  artifacts,
  total,
  older,
  now,
}: {
  run: Run
  artifacts: Artifact[]
  total: number
  /** Address of the page of older artifacts; null at the end. */
  older: string | null
  now: number
}): Html {
  const isAnyLive = artifacts.some((each) => isLive(each, now))
  return (
    <>
      <h1>Run {run.number}</h1>
      <dl>
        <Fact term="Workflow">{run.workflow ?? '–'}</Fact>
        <Fact term="Branch">{run.branch ?? '–'}</Fact>
        <Fact term="Commit">
          <span class="digest">{run.sha ?? '–'}</span>
        </Fact>
        <Fact term="Event">{run.event ?? '–'}</Fact>
      </dl>
      <h2>Artifacts</h2>
      {artifacts.length === 0 ? (
        <p>This run has no artifacts.</p>
      ) : (
        <ArtifactTable artifacts={artifacts} total={total} now={now} />
      )}
      {older !== null && (
        <p>
          <a href={older}>Older artifacts</a>
        </p>
      )}
      {isAnyLive && (
        <p class="buttons">
          <a class="button" href={runArchivePath(run.number, run.project)}>
            Download all
          </a>
        </p>
      )}
    </>
  )
}

function ArtifactTable({
  artifacts,
  total,
  now,
}: {
  artifacts: Artifact[]
  total: number
  now: number
}) {
  return (
    <div class="scroll">
      <table>
        <caption>{counted(total, 'artifact')}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              Files
            </th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col" class="number">
              New bytes
            </th>
            <th scope="col">Digest</th>
            <th scope="col">Expires</th>
            <th scope="col">Download</th>
          </tr>
        </thead>
        <tbody>
          {artifacts.map((each) => (
            <ArtifactRow artifact={each} now={now} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function ArtifactRow({ artifact, now }: { artifact: Artifact; now: number }) {
  const state = effectiveState(artifact, now)
  return (
    <tr>
      <th scope="row">
        <a href={artifactPagePath(artifact.project, artifact.runNumber, artifact.id)}>
          {artifact.name}
        </a>
        {state !== 'available' && <span class={`badge ${state}`}>{state}</span>}
        {artifact.attempt > 1 && <span class="badge">attempt {artifact.attempt}</span>}
      </th>
      <td class="number">{artifact.fileCount.toLocaleString('en')}</td>
      <td class="number">
        <Size bytes={artifact.logicalBytes} />
      </td>
      <td class="number">
        <Size bytes={artifact.newBytes} />
      </td>
      <td>
        <ShortDigest digest={artifact.zipDigest ?? artifact.treeDigest} />
      </td>
      <td>
        {artifact.pinned ? (
          'kept'
        ) : (
          <Time at={artifact.removedAt ?? artifact.expiresAt} now={now} />
        )}
      </td>
      <td class="actions">
        {isLive(artifact, now) && (
          <>
            <a
              href={archivePath(artifact.id, 'zip')}
              aria-label={`Download ${artifact.name} as zip`}
            >
              zip
            </a>
            <a
              href={archivePath(artifact.id, 'tar.gz')}
              aria-label={`Download ${artifact.name} as tar.gz`}
            >
              tar.gz
            </a>
          </>
        )}
      </td>
    </tr>
  )
}

function isLive(artifact: Artifact, now: number): boolean {
  return (
    (artifact.state === 'available' || artifact.state === 'damaged') && !isExpired(artifact, now)
  )
}
