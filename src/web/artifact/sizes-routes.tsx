/** The tab Sizes of an artifact: the children of a directory by size. */
import { type DirectorySizes, measureSizes, withFewer } from '../../browse/sizes.ts'
import { baseName } from '../../core/manifest/entry.ts'
import { counted, formatShare, formatSizeBytes } from '../../core/units.ts'
import type { AppRequest } from '../../http/context.ts'
import type { Artifact, MeasuredChild } from '../../metadata/metadata.ts'
import { renderFitting } from '../fitting.ts'
import { entryPathOf, headOfPage } from '../page-access.ts'
import type { Web } from '../page.tsx'
import { type Bar, BarTable } from '../parts/charts.tsx'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { blobPath, sizesPagePath } from '../paths.ts'
import { sendSlowPage } from '../slow-page.tsx'
import { ArtifactFrame } from './artifact-page.tsx'
import { tabContent } from './artifact-routes.tsx'
import { PathTrail } from './files-tab.tsx'

const shownMax = 100

export async function sizesPage(web: Web, c: AppRequest): Promise<Response> {
  const { metadata } = web.context
  const head = await headOfPage(web.context, c)
  const { artifact } = head
  const path = entryPathOf(c)
  const { signal } = c.req.raw
  return await sendSlowPage(web, c, {
    ...tabContent(head),
    frame: (part) => (
      <ArtifactFrame head={head} tab="sizes">
        <h2 class="trail">
          <PathTrail
            path={path}
            root="All files"
            hrefOf={(each) => sizesPagePath(artifact, each)}
          />
        </h2>
        {part}
      </ArtifactFrame>
    ),
    waiting: `Adding up ${counted(artifact.fileCount, 'file')}…`,
    part: async () => {
      const sizes = await measureSizes(metadata, artifact, path, { limit: shownMax, signal })
      const { pieces } = await renderFitting(sizes.children, (child) => (
        <Child artifact={artifact} child={child} />
      ))
      return <Sizes artifact={artifact} path={path} sizes={withFewer(sizes, pieces.length)} />
    },
  })
}

function Sizes({
  artifact,
  path,
  sizes: { files, sizeBytes, children, others },
}: {
  artifact: Artifact
  path: string
  sizes: DirectorySizes
}): Html {
  if (files === 0) return <p class="quiet">There are no files here.</p>
  const barOf = (each: { sizeBytes: number }, label: Html): Bar => ({
    label,
    bytes: each.sizeBytes,
    note: `${formatSizeBytes(each.sizeBytes)}, ${formatShare(each.sizeBytes, sizeBytes)}`,
  })
  const bars = children.map((child) => barOf(child, <Child artifact={artifact} child={child} />))
  if (others.children > 0) {
    const label = <>{counted(others.children, 'smaller one')}</>
    bars.push({ ...barOf(others, label), style: 'f3' })
  }
  const where = path === '' ? 'this artifact' : `${path}/`
  return (
    <>
      <p>
        {counted(files, 'file')}, <Size bytes={sizeBytes} />, before compression and deduplication.
      </p>
      <BarTable caption={`Largest in ${where}`} first="Name" second="Size" bars={bars} />
    </>
  )
}

function Child({ artifact, child }: { artifact: Artifact; child: MeasuredChild }): Html {
  const { kind, path, files } = child
  const name = baseName(path)
  if (kind === 'file') return <a href={blobPath(artifact, path)}>{name}</a>
  return (
    <>
      <a class="folder" href={sizesPagePath(artifact, path)}>
        {name}/
      </a>{' '}
      <span class="quiet">{counted(files, 'file')}</span>
    </>
  )
}
