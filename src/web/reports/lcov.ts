/** Reads coverage in the format of lcov's tracefiles (geninfo(1)), which most coverage tools can
 *  write. A file occurs once per test that ran it, so lines are merged instead of adding up the
 *  totals; only where a tool wrote totals alone are these used. */
import type { Coverage, Covered } from './coverage.ts'

interface Section {
  /** Whether each line was run, by number. */
  lines: Map<string, boolean>
  /** Whether each branch was taken, by line, block and branch. */
  branches: Map<string, boolean>
  totals: Map<string, number>
}

/** Real files have many lines each. */
const filesMax = 50_000

const records =
  /^(?:(SF):(.*?)|(DA):(\d+),(-?\d+).*|(BRDA):(.+),(\d+|-)|(LF|LH|BRF|BRH):(\d{1,9})|end_of_record)\r?$/gm

/** Undefined if the text is no tracefile, or has too many files. */
export function parseLcov(text: string): Coverage | undefined {
  const files = new Map<string, Section>()
  /** Undefined behind the end of a section. */
  let section: Section | undefined
  for (const match of text.matchAll(records)) {
    const [, file, path, line, number, runs, branch, place, taken, total, count] = match
    if (file !== undefined) {
      if (files.size > filesMax) return undefined
      section = files.get(path!) ?? { lines: new Map(), branches: new Map(), totals: new Map() }
      files.set(path!, section)
    }
    if (section === undefined) continue
    if (line !== undefined) merge(section.lines, number!, Number(runs) > 0)
    else if (branch !== undefined) merge(section.branches, place!, Number(taken) > 0)
    else if (total !== undefined) section.totals.set(total, Number(count))
    else if (file === undefined) section = undefined
  }
  if (files.size === 0) return undefined
  const covered = [...files].map(([path, { lines, branches, totals }]) => ({
    path,
    lines: coveredOf(lines, totals.get('LF'), totals.get('LH')),
    branches: coveredOf(branches, totals.get('BRF'), totals.get('BRH')),
  }))
  return { files: covered, isWhole: section === undefined }
}

function merge(known: Map<string, boolean>, key: string, isHit: boolean): void {
  known.set(key, isHit || known.get(key) === true)
}

function coveredOf(known: Map<string, boolean>, found = 0, hit = 0): Covered {
  if (known.size === 0) return { found, hit: Math.min(found, hit) }
  return { found: known.size, hit: [...known.values()].filter(Boolean).length }
}
