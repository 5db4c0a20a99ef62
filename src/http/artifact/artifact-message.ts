/** Artifacts and entries in their wire form. */
import type { WireArtifact, WireEntry } from '../../api/messages.ts'
import { archivePath, artifactPagePath, artifactPath, manifestPath } from '../../api/paths.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { formatMode } from '../../core/manifest/entry.ts'
import { factsOf } from '../../core/run/run.ts'
import { effectiveState } from '../../core/policy/retention.ts'
import type { Artifact, ComparedEntry } from '../../metadata/metadata.ts'
import { actorMessage } from '../access/actor.ts'
import { instant } from '../instant.ts'

/** `origin` is the prefix of every link; `now` decides whether an available artifact has
 *  expired. */
export function artifactMessage(
  artifact: Artifact,
  { origin, now }: { origin: string; now: number },
): WireArtifact {
  return {
    id: artifact.id,
    name: artifact.name,
    project: artifact.project,
    run: artifact.runNumber,
    attempt: artifact.attempt,
    job: artifact.job,
    ...factsOf(artifact),
    state: effectiveState(artifact, now),
    kind: artifact.kind,
    mimeType: artifact.mimeType,
    files: artifact.fileCount,
    logicalBytes: artifact.logicalBytes,
    newBytes: artifact.newBytes,
    treeDigest: formatWireDigest(artifact.treeDigest),
    zipDigest: artifact.zipDigest === null ? null : formatWireDigest(artifact.zipDigest),
    zipBytes: artifact.zipBytes,
    tarGzBytes: artifact.tarGzBytes,
    createdAt: instant(artifact.createdAt),
    expiresAt: instant(artifact.expiresAt),
    pinned: artifact.pinned,
    keptLatest: artifact.keptLatest,
    opaqueReason: artifact.opaqueReason,
    secrets: artifact.secrets,
    removedAt: artifact.removedAt === null ? null : instant(artifact.removedAt),
    removedReason: artifact.removedReason,
    removedBy: artifact.removedBy && actorMessage(artifact.removedBy),
    links: {
      self: origin + artifactPath(artifact.id),
      html: origin + artifactPagePath(artifact.project, artifact.runNumber, artifact.id),
      download: origin + archivePath(artifact.id, 'zip'),
      tarGz: origin + archivePath(artifact.id, 'tar.gz'),
      manifest: origin + manifestPath(artifact.id),
    },
  }
}

export function entryMessage({ entry, modifiedAt }: ComparedEntry): WireEntry {
  const base = {
    path: entry.path,
    mode: formatMode(entry.mode),
    modifiedAt: modifiedAt === null ? null : entryInstant(modifiedAt),
  }
  switch (entry.kind) {
    case 'file':
      return {
        kind: 'file',
        ...base,
        sizeBytes: entry.sizeBytes,
        digest: formatWireDigest(entry.digest),
      }
    case 'symlink':
      return { kind: 'symlink', ...base, target: entry.target }
    case 'directory':
      return { kind: 'directory', ...base }
  }
}

/** Archives can carry times outside of four-digit years, which ISO 8601 cannot express; they
 *  become null. */
function entryInstant(epochSeconds: number): string | null {
  const isWritable = epochSeconds >= firstSecond && epochSeconds <= lastSecond
  return isWritable ? instant(epochSeconds * 1000) : null
}

const firstSecond = Date.parse('0000-01-01T00:00:00Z') / 1000
const lastSecond = Date.parse('9999-12-31T23:59:59Z') / 1000
