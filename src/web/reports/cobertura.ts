/** Reads coverage in Cobertura's XML, which coverage.py, gcovr, coverlet and many converters write.
 *  A line occurs in its class and often in its method too, and a file in each of its classes, so
 *  lines are merged. */
import type { Coverage, Covered } from './coverage.ts'
import { readXml } from '../../core/xml.ts'

interface Line {
  isHit: boolean
  branches: Covered
}

/** Undefined if the text is no XML of Cobertura. */
export function parseCobertura(text: string): Coverage | undefined {
  const files = new Map<string, Map<string, Line>>()
  let isRoot = true
  let lines: Map<string, Line> | undefined
  const events = readXml(text)
  let step = events.next()
  for (; step.done !== true; step = events.next()) {
    const event = step.value
    if (event.kind !== 'open') continue
    const { name, attributes } = event
    if (isRoot && name !== 'coverage') return undefined
    isRoot = false
    const path = name === 'class' ? attributes.get('filename') : undefined
    if (path !== undefined) {
      lines = files.get(path) ?? new Map<string, Line>()
      files.set(path, lines)
    }
    const number = name === 'line' ? attributes.get('number') : undefined
    if (number !== undefined && lines !== undefined)
      lines.set(number, merged(lines.get(number), lineOf(attributes)))
  }
  if (files.size === 0) return undefined
  const covered = [...files].map(([path, ofFile]) => {
    const all = [...ofFile.values()]
    const sum = (what: keyof Covered): number =>
      all.reduce((total, { branches }) => total + branches[what], 0)
    return {
      path,
      lines: { found: all.length, hit: all.filter(({ isHit }) => isHit).length },
      branches: { found: sum('found'), hit: sum('hit') },
    }
  })
  return { files: covered, isWhole: step.value }
}

function lineOf(attributes: ReadonlyMap<string, string>): Line {
  // `50% (1/2)`.
  const [, hit, found] =
    /\((\d{1,6})\/(\d{1,6})\)/.exec(attributes.get('condition-coverage') ?? '') ?? []
  const branches = {
    found: Number(found ?? 0),
    hit: Math.min(Number(hit ?? 0), Number(found ?? 0)),
  }
  return { isHit: Number(attributes.get('hits')) > 0, branches }
}

function merged(known: Line | undefined, line: Line): Line {
  if (known === undefined) return line
  const found = Math.max(known.branches.found, line.branches.found)
  const hit = Math.max(known.branches.hit, line.branches.hit)
  return { isHit: known.isHit || line.isHit, branches: { found, hit } }
}
