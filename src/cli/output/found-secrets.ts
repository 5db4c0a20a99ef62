/** Messages of `trove upload` about credentials in the files. */
import type { SecretInFile, WireArtifact } from '../../client/client.ts'
import { secretTitle } from '../../core/secrets/secrets.ts'
import { counted } from '../../core/units.ts'
import { printable } from './output.ts'
import { workflowCommand } from './workflow-command.ts'

const namedMax = 10

const advice =
  'Anyone who can read the artifact can use them: exclude these files (--exclude) and revoke credentials that were uploaded.'

/** The number of secrets, and a line for each of the first ten. */
export function describeSecrets(found: readonly SecretInFile[]): string {
  const named = found
    .slice(0, namedMax)
    .map(({ path, line, kind }) => `  ${printable(path)}:${line}: ${secretTitle(kind)}\n`)
  const others = found.length - named.length
  return `${counted(found.length, 'secret')}\n${named.join('')}${others > 0 ? `  and ${others} more\n` : ''}`
}

/** Describes secrets that were found before sending, or else those that the server knows of in
 *  this tree. Empty when there are none. */
export function secretsText(found: readonly SecretInFile[], artifact?: WireArtifact): string {
  if (found.length > 0) return `${describeSecrets(found)}  ${advice}`
  // Absent from responses of older servers.
  const known = artifact?.secrets ?? 0
  if (artifact === undefined || known === 0) return ''
  return `${counted(known, 'secret')}, known to the server from an earlier upload; list them with \`trove secrets id:${artifact.id}\``
}

export function unknownDismissals(reason: string): string {
  return `This includes what the project may have dismissed: ${printable(reason)}`
}

export function secretsWarning(text: string): string {
  return `trove: warning: the upload contains ${text}\n`
}

/** The same as a command that the runner turns into an annotation. */
export function secretsAnnotation(name: string, text: string): Uint8Array {
  return workflowCommand(
    'warning title=Secrets in an artifact',
    `Artifact ${name} contains ${text}`,
  )
}
