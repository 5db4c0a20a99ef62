/** What is stored and how much each layer saved: the whole store at `/admin/storage`, one
 *  project at `…/storage`. */
import type { Child } from 'hono/jsx'
import { counted, formatSizeBytes } from '../../core/units.ts'
import type { Deletion } from '../../lifecycle/collect/deletion.ts'
import type { DiskFigures } from '../../lifecycle/disk-space.ts'
import type { Artifact, Project } from '../../metadata/metadata.ts'
import type { Usage } from '../../stats/usage.ts'
import { ArtifactLink, WholeArtifactLink } from '../parts/artifact-name.tsx'
import { BarTable, LayerBar } from '../parts/charts.tsx'
import { UploadHint } from '../parts/commands.tsx'
import { Fact, Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { maintenancePath } from '../paths.ts'
import { UsageOverTime, type UsageOverTimeView } from './usage-over-time.tsx'

export interface StorageView extends UsageOverTimeView {
  /** Null: the whole store. */
  project: Project | null
  mayWrite: boolean
  usage: Usage
  /** The disk that holds the store's directory; null for a project. */
  disk: (DiskFigures & { databaseBytes: number }) | null
}

/** `children`: shown at the end, unless nothing is stored. */
export function StoragePage({ children, ...view }: StorageView & { children?: Child }): Html {
  const { project, usage } = view
  return (
    <>
      <h1>{project === null ? 'Storage' : `Storage of ${project.name}`}</h1>
      {project !== null && (
        <ProjectMenu project={project.name} current="Storage" mayWrite={view.mayWrite} />
      )}
      {view.disk !== null && <NearlyFull disk={view.disk} />}
      {usage.artifacts === 0 ? (
        <UploadHint
          reason="Nothing is stored yet."
          project={project?.name ?? 'OWNER/REPO'}
          run="RUN"
        />
      ) : (
        <>
          <Layers usage={usage} />
          {project === null && (
            <p>
              <a href="/?sort=unique">Size of each project</a>
            </p>
          )}
          <Facts {...view} />
          <UsageOverTime {...view} />
          {children}
        </>
      )}
    </>
  )
}

function NearlyFull({ disk: { freeBytes, minFreeBytes } }: { disk: DiskFigures }) {
  if (freeBytes >= minFreeBytes) return <></>
  return (
    <p class="note" role="alert">
      Uploads are refused, because less than <Size bytes={minFreeBytes} /> of the disk is free
      (TROVE_MIN_FREE). Delete artifacts, then run{' '}
      <a href={maintenancePath()}>garbage collection</a>, or enlarge the disk.
    </p>
  )
}

export type MeasuredArtifact = { artifact: Artifact } & Deletion

/** What deleting each of the costliest artifacts would free. */
export function Costliest({
  artifacts,
  isOfProject,
}: {
  artifacts: MeasuredArtifact[]
  isOfProject: boolean
}): Html {
  if (artifacts.length === 0) return <></>
  const Link = isOfProject ? ArtifactLink : WholeArtifactLink
  return (
    <BarTable
      caption="Disk space that deleting each of the costliest artifacts would free"
      first="Artifact"
      second="Frees"
      bars={artifacts.map(({ artifact, freedBytes, sharedBytes }) => ({
        label: (
          <>
            <Link artifact={artifact} />
            {sharedBytes > 0 && (
              <span class="quiet">
                {' '}
                shares <Size bytes={sharedBytes} />
              </span>
            )}
          </>
        ),
        bytes: freedBytes,
      }))}
    />
  )
}

/** Splits the logical bytes into those that each layer saved and those that remain. */
function Layers({ usage }: { usage: Usage }) {
  const { savedBy, logicalBytes, removedBytes } = usage
  const compression = savedBy.compression ?? 0
  const left = logicalBytes + removedBytes - savedBy.wholeFile - savedBy.chunk - compression
  return (
    <>
      <p class="lead">
        {counted(usage.artifacts, 'artifact')} with {counted(usage.files, 'file')} hold{' '}
        <Size bytes={logicalBytes} />
        {removedBytes > 0 && (
          <>
            , and deleted artifacts that can still be restored <Size bytes={removedBytes} />
          </>
        )}
        {savedBy.compression === null ? (
          <>
            ; <Size bytes={left} /> after deduplication, before compression.
          </>
        ) : (
          <>
            {' '}
            in <Size bytes={left} /> of live packs.
          </>
        )}
      </p>
      <LayerBar
        parts={[
          { name: 'Duplicate files', style: 'f1', bytes: savedBy.wholeFile },
          { name: 'Duplicate parts of files', style: 'f2', bytes: savedBy.chunk },
          ...(savedBy.compression === null || compression < 0
            ? []
            : [{ name: 'Saved by compression', style: 'f3', bytes: compression }]),
          {
            name: leftName(savedBy.compression),
            style: 'f4',
            bytes: left,
          },
        ]}
      />
    </>
  )
}

/** Names the remaining bytes. `compression` is negative if the overhead of packs exceeds what
 *  compression saves. */
function leftName(compression: number | null): string {
  if (compression === null) return 'Unique, before compression'
  return compression < 0
    ? `Stored, including ${formatSizeBytes(-compression)} of overhead and uploads in progress`
    : 'Stored'
}

function Facts({ usage, disk }: StorageView) {
  return (
    <dl class="facts">
      <Fact term="Deduplication ratio">{usage.dedupRatio.toFixed(1)}</Fact>
      {usage.storedBytes !== null && (
        <Fact term="Pack files">
          <Size bytes={usage.storedBytes} /> in {counted(usage.packs ?? 0, 'pack')}
        </Fact>
      )}
      {usage.deadBytes !== null && (
        <Fact term="Of these no longer needed">
          <Size bytes={usage.deadBytes} />, freed by{' '}
          <a href={maintenancePath()}>garbage collection</a>
        </Fact>
      )}
      {disk !== null && (
        <>
          <Fact term="Database">
            <Size bytes={disk.databaseBytes} />
          </Fact>
          <Fact term="Free disk space">
            <Size bytes={disk.freeBytes} /> of <Size bytes={disk.totalBytes} />
          </Fact>
        </>
      )}
    </dl>
  )
}
