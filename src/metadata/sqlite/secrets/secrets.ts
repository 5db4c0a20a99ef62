/** Credentials in artifacts: stored by tree and by content, so that what is uploaded again need
 *  not be scanned again. */
import { blobState } from '../../../../schema/content.ts'
import { manifestState } from '../../../../schema/artifacts.ts'
import { type Digest, digestFromBytes, digestToBytes } from '../../../core/bytes/digest.ts'
import { notFound } from '../../../core/errors.ts'
import type { ProjectName } from '../../../core/run/run.ts'
import type { SecretKind } from '../../../core/secrets/secret-rules.ts'
import type { FoundSecret } from '../../../core/secrets/secrets.ts'
import type { SecretMetadata, UnscannedTree } from '../../metadata.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Connection } from '../connection/connection.ts'

/** SQL: artifacts have the manifest. SQLite uses the index only for exactly these terms. */
function hasArtifacts(table: string): string {
  return `${table}.state IN (${manifestState.live}, ${manifestState.retired})`
}

interface SecretRow extends FoundSecret {
  path: string
  digest: Buffer
  dismissedAt: number | null
}

export function createSecretMethods(connection: Connection, audit: AuditLog): SecretMetadata {
  const { prepare } = connection
  const unscanned = prepare<[number, number, number], UnscannedTree>(
    `SELECT m.id AS manifestId, (
       SELECT max(a.id) FROM artifacts a
       WHERE a.manifest_id = m.id AND a.removed_at IS NULL AND a.ends_at > ?) AS artifactId
     FROM manifests m INDEXED BY manifests_unlooked
     WHERE ${hasArtifacts('m')} AND m.secret_rules < ? AND artifactId IS NOT NULL
     ORDER BY m.secret_rules, m.id DESC LIMIT ?`,
  )
  const findTree = prepare<[number], { rules: number; passedOver: number }>(
    `SELECT m.secret_rules AS rules, m.secrets_passed_over AS passedOver
     FROM artifacts a CROSS JOIN manifests m ON m.id = a.manifest_id WHERE a.id = ?`,
  )
  const list = prepare<[number], SecretRow>(
    `SELECT s.path, s.line, s.kind, s.digest, d.dismissed_at AS dismissedAt
     FROM artifacts a CROSS JOIN manifest_secrets s ON s.manifest_id = a.manifest_id
     LEFT JOIN dismissed_secrets d ON d.project_id = a.project_id AND d.digest = s.digest
     WHERE a.id = ? ORDER BY s.path, s.line`,
  )
  const dismissed = prepare<[string, number], { digest: Digest }>(
    `SELECT j.value AS digest FROM json_each(?) j
     CROSS JOIN dismissed_secrets d ON d.project_id = ? AND d.digest = unhex(j.value)`,
  )
  return {
    listUnscanned: async (rules, { now, limit }) => unscanned.all(now, rules, limit),
    ...createScans(connection),
    listSecrets: async (artifactId) => {
      const { rules, passedOver } = findTree.get(artifactId) ?? { rules: 0, passedOver: 0 }
      const secrets = list
        .all(artifactId)
        .map((row) => ({ ...row, digest: digestFromBytes(row.digest) }))
      return { isScanned: rules > 0, passedOver, secrets }
    },
    listDismissed: async (projectId, digests) =>
      dismissed.all(JSON.stringify(digests), projectId).map(({ digest }) => digest),
    dismissSecrets: createDismissal(connection, audit),
  }
}

function createScans({
  prepare,
  stage,
  rest,
}: Connection): Pick<SecretMetadata, 'readScans' | 'recordScans' | 'recordSecrets'> {
  const scans = prepare<[string, number], { digest: Digest; found: string | null }>(
    `SELECT lower(hex(b.digest)) AS digest, l.found
     FROM json_each(?) j CROSS JOIN blobs b ON b.digest = unhex(j.value) AND b.state < ${blobState.filling}
     CROSS JOIN looked_blobs l ON l.blob_id = b.id AND l.rules = ?`,
  )
  const addScan = prepare<[number, string | null, Buffer]>(
    `INSERT OR REPLACE INTO looked_blobs (blob_id, rules, found)
     SELECT id, ?, ? FROM blobs WHERE digest = ? AND state < ${blobState.filling}`,
  )
  const setTree = prepare<[number, number, number]>(
    `UPDATE manifests SET secret_rules = ?, secrets_passed_over = ?
     WHERE id = ? AND ${hasArtifacts('manifests')}`,
  )
  const dropOld = prepare<[number]>('DELETE FROM manifest_secrets WHERE manifest_id = ?')
  const add = prepare<[number, string, number, SecretKind, Buffer]>(
    'INSERT INTO manifest_secrets (manifest_id, path, line, kind, digest) VALUES (?, ?, ?, ?, ?)',
  )
  return {
    readScans: async (rules, digests) =>
      scans.all(JSON.stringify(digests), rules).map(({ digest, found }) => ({
        digest,
        found: found === null ? [] : (JSON.parse(found) as FoundSecret[]),
      })),
    recordScans: async (rules, each) => {
      stage(() => {
        for (const { digest, found } of each)
          addScan.run(
            rules,
            found.length === 0 ? null : JSON.stringify(found),
            digestToBytes(digest),
          )
      })
      await rest()
    },
    recordSecrets: async (manifestId, rules, { secrets, passedOver }) => {
      stage(() => {
        if (setTree.run(rules, passedOver, manifestId).changes === 0) return
        dropOld.run(manifestId)
        for (const { path, line, kind, digest } of secrets)
          add.run(manifestId, path, line, kind, digestToBytes(digest))
      })
      await rest()
    },
  }
}

function createDismissal(
  { prepare, write }: Connection,
  audit: AuditLog,
): SecretMetadata['dismissSecrets'] {
  const find = prepare<[number, Buffer], { projectId: number; project: ProjectName; path: string }>(
    `SELECT p.id AS projectId, p.owner_repo AS project, s.path
     FROM artifacts a CROSS JOIN manifest_secrets s ON s.manifest_id = a.manifest_id
     CROSS JOIN projects p ON p.id = a.project_id
     WHERE a.id = ? AND s.digest = ? ORDER BY s.path LIMIT 1`,
  )
  const dismiss = prepare<[number, Buffer, number]>(
    'INSERT OR IGNORE INTO dismissed_secrets (project_id, digest, dismissed_at) VALUES (?, ?, ?)',
  )
  const undismiss = prepare<[number, Buffer]>(
    'DELETE FROM dismissed_secrets WHERE project_id = ? AND digest = ?',
  )
  return async (artifactId, { digest, dismissed }, author) => {
    const bytes = digestToBytes(digest)
    write(() => {
      const found = find.get(artifactId, bytes)
      if (found === undefined)
        throw notFound('secret', `artifact ${artifactId} has no secret in a file ${digest}`)
      const { projectId, path } = found
      const { changes } = dismissed
        ? dismiss.run(projectId, bytes, author.at)
        : undismiss.run(projectId, bytes)
      const kind = dismissed ? 'dismiss-secret' : 'undismiss-secret'
      if (changes > 0) audit.recordOf([artifactId], author, { kind, details: { path } })
    })
  }
}
