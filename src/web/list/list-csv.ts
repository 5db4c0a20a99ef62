/** The list of a project's artifacts as CSV. */
import { effectiveState } from '../../core/policy/retention.ts'
import type { Artifact } from '../../metadata/metadata.ts'

/** Puts a quote before text that a spreadsheet would evaluate as a formula, also after a
 *  semicolon, which some spreadsheets take for a cell separator. Some also take the full-width
 *  forms of East Asian keyboards. */
export function listAsCsv(artifacts: Artifact[], now: number): string {
  const cell = (value: string | number | boolean | null): string => {
    const text = String(value ?? '')
    const isNumber = /^-?\d+$/.test(text)
    const harmless = isNumber ? text : text.replaceAll(/(^|;)(?=[=+\-@＝＋－＠\t\r])/g, "$1'")
    return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
  }
  const head =
    'id,name,run,branch,state,logicalBytes,newBytes,createdAt,expiresAt,pinned,keptLatest'
  const rows = artifacts.map((each) =>
    [
      each.id,
      each.name,
      each.runNumber,
      each.branch,
      effectiveState(each, now),
      each.logicalBytes,
      each.newBytes,
      new Date(each.createdAt).toISOString(),
      new Date(each.expiresAt).toISOString(),
      each.pinned,
      each.keptLatest,
    ]
      .map(cell)
      .join(','),
  )
  return `${[head, ...rows].join('\r\n')}\r\n`
}
