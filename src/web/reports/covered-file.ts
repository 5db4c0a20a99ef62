/** What is covered of a file. */

export interface Covered {
  found: number
  hit: number
}

export interface CoveredFile {
  path: string
  lines: Covered
  branches: Covered
}
