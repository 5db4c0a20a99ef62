/** Character references of XML, and those of HTML that documents use. */

const entities: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  emsp: '\u2003',
  ensp: '\u2002',
  gt: '>',
  hellip: '…',
  lt: '<',
  mdash: '—',
  middot: '·',
  nbsp: '\u00a0',
  ndash: '–',
  quot: '"',
}

/** Replaces character references by the characters they stand for; unknown ones are kept. */
export function decodeEntities(text: string): string {
  if (!text.includes('&')) return text
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,6}));/gi, (...groups) => {
    const [whole, decimal, hex, name] = groups as [string, string?, string?, string?]
    if (name !== undefined) return entities[name] ?? whole
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    const isSpace = code === 0x09 || code === 0x0a || code === 0x0d
    const isPrintable = code >= 0x20 && code <= 0x10_ffff && (code < 0xd800 || code > 0xdfff)
    return isSpace || isPrintable ? String.fromCodePoint(code) : whole
  })
}
