/** Warns of credentials in an artifact, and offers to dismiss false alarms. */
import { addTo } from '../../core/groups.ts'
import { formatWireDigest } from '../../core/bytes/digest.ts'
import { secretTitle, skippedFilesPart } from '../../core/secrets/secrets.ts'
import { counted } from '../../core/units.ts'
import type { Artifact, SecretList } from '../../metadata/metadata.ts'
import { AndMore } from '../parts/format.tsx'
import type { Html } from '../parts/html.ts'
import { actionPath, blobPath } from '../paths.ts'

type Secret = SecretList['secrets'][number]
interface Head {
  artifact: Artifact
  /** Null: not scanned yet. */
  secrets: SecretList | null
  mayWrite: boolean
  isPublic: boolean
}

/** Most files that a page lists. */
const namedMax = 20

/** The warning above the actions, while there are secrets that nobody dismissed. */
export function SecretsNote(head: Head): Html {
  const open = head.secrets?.secrets.filter(({ dismissedAt }) => dismissedAt === null) ?? []
  if (open.length === 0) return <></>
  return (
    <div class="note" role="alert">
      <p>
        This artifact contains {counted(open.length, 'secret')}, usable by{' '}
        {head.isPublic ? 'everyone, since its project is public' : 'anyone who can read it'}. Revoke{' '}
        {open.length === 1 ? 'it' : 'them'} at the issuer, delete the artifact, and leave the files
        out of the next upload.
      </p>
      <Files head={head} secrets={open} />
    </div>
  )
}

/** The result of the scan, for the tab Details. */
export function SecretsFact(head: Head): Html {
  if (head.secrets === null) return <>not looked for yet</>
  const { secrets, passedOver } = head.secrets
  const dismissed = secrets.filter(({ dismissedAt }) => dismissedAt !== null)
  return (
    <>
      {counted(secrets.length - dismissed.length, 'secret')} found
      {skippedFilesPart(passedOver)}
      {dismissed.length > 0 && (
        <>
          ; {dismissed.length} dismissed
          <Files head={head} secrets={dismissed} />
        </>
      )}
    </>
  )
}

function Files({ head, secrets }: { head: Head; secrets: Secret[] }) {
  const byFile = groupByPath(secrets)
  return (
    <ul>
      {[...byFile].slice(0, namedMax).map(([path, ofFile]) => (
        <li>
          <a href={blobPath(head.artifact, path)}>{path}</a>:{' '}
          {ofFile.map(({ kind, line }, index) => (
            <>
              {index > 0 && ', '}
              {secretTitle(kind)} in{' '}
              <a href={`${blobPath(head.artifact, path)}#L${line}`}>line {line}</a>
            </>
          ))}
          {head.mayWrite && <Dismissal head={head} secret={ofFile[0]!} />}
        </li>
      ))}
      <AndMore count={byFile.size - namedMax} />
    </ul>
  )
}

function Dismissal({ head, secret }: { head: Head; secret: Secret }) {
  const isDismissed = secret.dismissedAt !== null
  return (
    <form method="post" action={actionPath(head.artifact, 'secrets')}>
      <input type="hidden" name="digest" value={formatWireDigest(secret.digest)} />
      <input type="hidden" name="dismissed" value={isDismissed ? '0' : '1'} />
      <button>{isDismissed ? 'Warn again' : 'Not a secret'}</button>
    </form>
  )
}

function groupByPath(secrets: readonly Secret[]): Map<string, Secret[]> {
  const byPath = new Map<string, Secret[]>()
  for (const secret of secrets) addTo(byPath, secret.path, secret)
  return byPath
}
