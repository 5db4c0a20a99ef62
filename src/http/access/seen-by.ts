/** What callers see of an artifact. Credentials found in it, and who deleted it, are not for
 *  everyone who may read a public project. */
import { mayInspectRun, type Principal } from '../../auth/principal.ts'
import type { Artifact } from '../../metadata/metadata.ts'

/** Returns the artifact as the caller may see it. */
export function seenBy(principal: Principal, artifact: Artifact): Artifact {
  return mayInspectRun(principal, artifact) ? artifact : seenByAll(artifact)
}

/** Returns the artifact as everyone who may read it sees it. */
export function seenByAll(artifact: Artifact): Artifact {
  return { ...artifact, secrets: null, removedBy: null }
}
