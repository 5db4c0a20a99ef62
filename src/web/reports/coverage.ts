/** Coverage as pages show it, whatever format it was in. */

export interface Covered {
  found: number
  hit: number
}

export interface CoveredFile {
  path: string
  lines: Covered
  branches: Covered
}

export interface Coverage {
  files: CoveredFile[]
  /** False if the file is cut off or broken. */
  isWhole: boolean
}

export function sumOf(files: readonly CoveredFile[], what: 'lines' | 'branches'): Covered {
  const sum = { found: 0, hit: 0 }
  for (const file of files) {
    sum.found += file[what].found
    sum.hit += file[what].hit
  }
  return sum
}

/** `93.2 %`, rounded down, so that only complete coverage is 100 %. */
export function formatCovered({ found, hit }: Covered): string {
  if (found === 0) return '–'
  const tenths = Math.floor((1000 * hit) / found)
  return `${tenths === 1000 ? '100' : (tenths / 10).toFixed(1)} %`
}
