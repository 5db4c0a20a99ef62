import { signedUrlPath } from '../../api/paths.ts'
import { withQuery } from '../paths.ts'
import type { Html } from './html.ts'

/** Copies a URL that downloads an artifact, or the file at `path` in it, without signing in, until
 *  it expires. Nothing for what everyone may read. */
export function SignedLink({
  artifactId,
  path = '',
  isPublic,
}: {
  artifactId: number
  path?: string
  isPublic: boolean
}): Html | null {
  if (isPublic) return null
  const source = withQuery(signedUrlPath(artifactId), { path })
  return (
    <button
      type="button"
      class="needs-script"
      data-copy-from={source}
      title="Downloads without signing in, for a limited time"
    >
      Copy signed link
    </button>
  )
}
