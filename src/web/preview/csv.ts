/** Parses comma- or tab-separated values (RFC 4180, and the variants that programs write), up to
 *  a number of rows. */

export interface CsvTable {
  rows: string[][]
  /** False if there are more rows. */
  isWhole: boolean
}

export function parseCsv(
  text: string,
  { separator, rowsMax }: { separator: string; rowsMax: number },
): CsvTable {
  const rows: string[][] = []
  let row: string[] = []
  let field = ''
  let quoted = false
  const endRow = (): void => {
    row.push(field)
    rows.push(row)
    row = []
    field = ''
  }
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (quoted) {
      if (character !== '"') field += character
      else if (text[at + 1] === '"') field += text[++at]
      else quoted = false
    } else if (character === '"' && field === '') {
      quoted = true
    } else if (character === separator) {
      row.push(field)
      field = ''
    } else if (character === '\n' || (character === '\r' && text[at + 1] !== '\n')) {
      endRow()
      if (rows.length === rowsMax) return { rows, isWhole: at === text.length - 1 }
    } else if (character !== '\r') {
      field += character
    }
  }
  if (field !== '' || row.length > 0) endRow()
  return { rows, isWhole: true }
}
