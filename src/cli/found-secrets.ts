/** What an upload says of credentials in its files. */
import type { SecretInFile, WireArtifact } from '../client/client.ts'
import { secretTitle } from '../core/secrets.ts'
import { counted } from '../core/units.ts'
import { printable } from './output.ts'

const namedMax = 10

const advice =
  'Whoever may read the artifact can use them: leave these files out (--exclude), and revoke what has been uploaded.'

/** How many, and a line for each of the first. */
export function describeSecrets(found: readonly SecretInFile[]): string {
  const named = found
    .slice(0, namedMax)
    .map(({ path, line, kind }) => `  ${printable(path)}:${line}: ${secretTitle(kind)}\n`)
  const others = found.length - named.length
  return `${counted(found.length, 'secret')}\n${named.join('')}${others > 0 ? `  and ${others} more\n` : ''}`
}

/** Of what was found before it was sent, or else of what the server knows of that tree. Empty where there is nothing. */
export function secretsText(found: readonly SecretInFile[], artifact?: WireArtifact): string {
  if (found.length > 0) return `${describeSecrets(found)}  ${advice}`
  // An older server tells nothing of them.
  const known = artifact?.secrets ?? 0
  if (artifact === undefined || known === 0) return ''
  return `${counted(known, 'secret')}, as the server knows from before: \`trove secrets id:${artifact.id}\` lists them`
}

export function secretsWarning(text: string): string {
  return `trove: warning: the upload holds ${text}\n`
}

/** The same as an annotation of a GitHub-style job, which is read off the log:
 *  https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-a-warning-message */
export function secretsAnnotation(name: string, text: string): string {
  const message = `Artifact ${name} holds ${text}`
  const escaped = message.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  return `::warning title=Secrets in an artifact::${escaped}\n`
}
