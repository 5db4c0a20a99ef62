/** The list of a project's artifacts for spreadsheets. */
import { effectiveState } from '../../core/retention.ts'
import type { Artifact } from '../../metadata/metadata.ts'

/** What a spreadsheet would take for a formula is quoted as text, behind a semicolon too, at which some of them separate cells. */
export function listAsCsv(artifacts: Artifact[], now: number): string {
  const cell = (value: string | number | boolean | null): string => {
    const text = String(value ?? '')
    const isNumber = /^-?\d+$/.test(text)
    const harmless = isNumber ? text : text.replaceAll(/(^|;)(?=[=+\-@\t\r])/g, "$1'")
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
