/** What an upload says of credentials in its files. */
import type { SecretInFile } from '../client/client.ts'
import { secretTitle } from '../core/secrets.ts'
import { counted } from '../core/units.ts'
import { printable } from './output.ts'

const namedMax = 10

const advice =
  'Whoever may read the artifact can use them: leave these files out (--exclude), and revoke what has been uploaded.'

/** Lines for people, after one another's `trove: warning:`. */
export function describeSecrets(found: readonly SecretInFile[]): string {
  const named = found
    .slice(0, namedMax)
    .map(({ path, line, kind }) => `  ${printable(path)}:${line}: ${secretTitle(kind)}\n`)
  const others = found.length - named.length
  return `${counted(found.length, 'secret')}\n${named.join('')}${others > 0 ? `  and ${others} more\n` : ''}`
}

export function secretsWarning(found: readonly SecretInFile[]): string {
  return `trove: warning: the upload holds ${describeSecrets(found)}  ${advice}\n`
}

/** The same as an annotation of a GitHub-style job, which is read off the log:
 *  https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-a-warning-message */
export function secretsAnnotation(name: string, found: readonly SecretInFile[]): string {
  const text = `Artifact ${name} holds ${describeSecrets(found)}${advice}`
  const escaped = text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
  return `::warning title=Secrets in an artifact::${escaped}\n`
}
