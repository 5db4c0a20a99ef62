/** `.../blob/{archive}!/{member}`: one file in an archive: its size and its preview. */
import { formatSizeBytes } from '../../core/units.ts'
import { memberBytesMax } from '../preview/archive.ts'
import type { MemberPlace } from '../preview/member.ts'
import { memberPath } from '../preview/member-path.ts'
import type { Preview } from '../preview/shown-file.ts'
import type { ArtifactHead } from './artifact-page.tsx'
import { OtherForm } from './file-page.tsx'
import { Size } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { Untrusted } from '../parts/untrusted.tsx'
import { artifactPath, blobPath, withQuery } from '../paths.ts'

export function MemberPage({
  head: { artifact },
  place: { archive, name },
  sizeBytes,
  isWhole,
  asText,
  preview,
}: {
  head: ArtifactHead
  place: MemberPlace
  sizeBytes: number
  /** Whether all of it could be unpacked. */
  isWhole: boolean
  asText: boolean
  preview: Preview
}): Html {
  const page = blobPath(artifact, memberPath(archive.path, name))
  return (
    <>
      <h1 class="trail">{name}</h1>
      <p class="lead">
        <Size bytes={sizeBytes} />, in the archive{' '}
        <a href={blobPath(artifact, archive.path)}>{archive.path}</a> of{' '}
        <a href={artifactPath(artifact)}>{artifact.name}</a>.
      </p>
      <div class="buttons">
        {isWhole && (
          <a class="button first" href={withQuery(page, { download: '1' })} data-key="d">
            Download
          </a>
        )}
        <OtherForm page={page} asText={asText} preview={preview} />
      </div>
      {!isWhole && (
        <p class="note">
          This file could not be unpacked completely: it is larger than{' '}
          {formatSizeBytes(memberBytesMax)}, too far into the archive, or damaged. Download the
          archive instead.
        </p>
      )}
      <Untrusted run={artifact} />
      {preview.shown}
    </>
  )
}
