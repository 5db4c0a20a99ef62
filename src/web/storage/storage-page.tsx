/** What is stored and what each layer saved: of the whole store at `/admin/storage`, of one project at `…/storage`. */
import { counted, formatSizeBytes } from '../../core/units.ts'
import type { Deletion } from '../../lifecycle/deletion.ts'
import type { Artifact } from '../../metadata/metadata.ts'
import type { Usage } from '../../stats/usage.ts'
import { WholeArtifactLink } from '../parts/artifact-name.tsx'
import { BarTable, LayerBar } from '../parts/charts.tsx'
import { UploadHint } from '../parts/commands.tsx'
import { Fact, Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { ProjectMenu } from '../parts/project-menu.tsx'
import { UsageOverTime, type UsageOverTimeView } from './usage-over-time.tsx'

export interface StorageView extends UsageOverTimeView {
  /** Null: the whole store. */
  project: string | null
  mayWrite: boolean
  usage: Usage
  /** What would come back if one of the largest artifacts went, most first. */
  exclusive: ({ artifact: Artifact } & Deletion)[]
}

export function StoragePage(view: StorageView): Html {
  const { project, usage } = view
  return (
    <>
      <h1>{project === null ? 'Storage' : `Storage of ${project}`}</h1>
      {project !== null && (
        <ProjectMenu project={project} current="storage" mayWrite={view.mayWrite} />
      )}
      {usage.artifacts === 0 ? (
        <UploadHint reason="Nothing is stored yet." project={project ?? 'OWNER/REPO'} run="RUN" />
      ) : (
        <Filled {...view} />
      )}
    </>
  )
}

function Filled(view: StorageView) {
  const { project, usage, exclusive } = view
  return (
    <>
      <Layers usage={usage} />
      {project === null && (
        <p>
          <a href="/">What each project holds</a>
        </p>
      )}
      <Facts {...view} />
      <UsageOverTime {...view} />
      {exclusive.length > 0 && (
        <BarTable
          caption="What would come back if it were deleted, among the artifacts that cost most"
          first="Artifact"
          second="Frees"
          bars={exclusive.map(({ artifact, freedBytes, sharedBytes }) => ({
            label: (
              <>
                <WholeArtifactLink artifact={artifact} />
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
      )}
    </>
  )
}

/** Logical bytes, split by what became of them. */
function Layers({ usage }: { usage: Usage }) {
  const { savedBy, logicalBytes } = usage
  const compression = savedBy.compression ?? 0
  const left = logicalBytes - savedBy.wholeFile - savedBy.chunk - compression
  return (
    <>
      <p class="lead">
        {counted(usage.artifacts, 'artifact')} with {counted(usage.files, 'file')} hold{' '}
        <Size bytes={logicalBytes} />
        {savedBy.compression === null ? (
          <>
            ; each byte once, that is <Size bytes={left} /> before compression.
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
          { name: 'Equal files, kept once', style: 'f1', bytes: savedBy.wholeFile },
          { name: 'Equal pieces of files, kept once', style: 'f2', bytes: savedBy.chunk },
          ...(savedBy.compression === null || compression < 0
            ? []
            : [{ name: 'Compressed away', style: 'f3', bytes: compression }]),
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

/** What the last layer is, where compression saved so much: less than nothing where packing costs more. */
function leftName(compression: number | null): string {
  if (compression === null) return 'Left, before compression'
  return compression < 0 ? `Stored, ${formatSizeBytes(-compression)} of it for packing` : 'Stored'
}

function Facts({ usage, freeBytes }: StorageView) {
  return (
    <dl class="facts">
      <Fact term="Times smaller by keeping each byte once">{usage.dedupRatio.toFixed(1)}</Fact>
      {usage.storedBytes !== null && (
        <Fact term="Pack files">
          <Size bytes={usage.storedBytes} /> in {counted(usage.packs ?? 0, 'pack')}
        </Fact>
      )}
      {usage.deadBytes !== null && (
        <Fact term="Dead, comes back with maintenance">
          <Size bytes={usage.deadBytes} />
        </Fact>
      )}
      {freeBytes !== null && Number.isFinite(freeBytes) && (
        <Fact term="Free on the disk">
          <Size bytes={freeBytes} />
        </Fact>
      )}
    </dl>
  )
}
