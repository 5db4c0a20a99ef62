/** Warnings of `trove upload` about what was asked for and is not in the artifact or not so. */
import { resolve } from 'node:path'
import type { WireArtifact } from '../../client/client.ts'
import type { UploadTarget } from '../../client/upload/upload.ts'
import { findLstat } from '../../client/upload/source-stats.ts'
import { factNames, type ToldFacts } from '../../core/run/run.ts'
import { counted, dayMs, formatPeriod } from '../../core/units.ts'
import { flagOf } from '../arguments.ts'
import { printable } from './output.ts'

/** A line for each wish that was not met. */
export function unmetText(artifact: WireArtifact, wanted: UploadTarget): string {
  return [...otherFacts(artifact, wanted), ...otherRetention(artifact, wanted)]
    .map((text) => `trove: warning: ${text}\n`)
    .join('')
}

/** A line for each plain path that leads nowhere, next to others that may match: like GitHub's
 *  action, an upload takes what it finds. Errors: FileError. */
export function missingText(patterns: readonly string[]): string {
  if (patterns.length === 1) return ''
  return patterns
    .filter((text) => !/^!|[*?[]/.test(text.trim()) && isMissing(text) && isMissing(text.trim()))
    .map((text) => `trove: warning: ${printable(text)} does not exist\n`)
    .join('')
}

function isMissing(path: string): boolean {
  return findLstat(resolve(path)) === undefined
}

export function lifeOf({ createdAt, expiresAt }: WireArtifact): string {
  return formatPeriod(Date.parse(expiresAt) - Date.parse(createdAt))
}

/** The facts of a run are set once, so that a later job cannot pass its artifacts off as those of
 *  another branch; what the token says comes first. */
function otherFacts(artifact: WireArtifact, wanted: UploadTarget): string[] {
  const other = factNames.filter(
    (fact) => wanted[fact] !== undefined && wanted[fact] !== artifact[fact],
  )
  if (other.length === 0) return []
  const listed = (facts: ToldFacts): string =>
    other.map((fact) => `${flagOf(fact)} ${printable(`${facts[fact] ?? 'unknown'}`)}`).join(', ')
  const [ignored, kept] = [listed(wanted), listed(artifact)]
  return [`ignored ${ignored}: the token or the first upload of run ${artifact.run} set ${kept}`]
}

/** The project's bounds override the requested retention, and an artifact that was already there
 *  keeps its own. */
function otherRetention(artifact: WireArtifact, { retentionDays = 0 }: UploadTarget): string[] {
  const time = lifeOf(artifact)
  if (retentionDays === 0 || time === formatPeriod(retentionDays * dayMs)) return []
  return [`the artifact is kept for ${time}, not ${counted(retentionDays, 'day')}`]
}
