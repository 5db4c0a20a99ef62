/** Terminal escapes as styles of text. */
import { expect, test } from 'vitest'
import { plainAnsiState, renderAnsiLine } from '../../src/web/preview/ansi.tsx'

function shown(line: string): string {
  return renderAnsiLine(line.replaceAll('^', '\u001b['), plainAnsiState()).map(String).join('')
}

test.each([
  ['^1;31mbold^22m red^39m plain', ['ansi-bold fg1', 'fg1', '']],
  ['^2;3;4mall^23;24m faint^0m plain', ['ansi-faint ansi-italic ansi-underline', 'ansi-faint', '']],
  ['^38;5;196;48;2;0;0;0mnearest^m plain', ['fg1 bg0', '']],
])('%j begins and ends styles', (line, classes) => {
  const parts = shown(line).split(/(?=<span)|(?<=<\/span>)/)
  expect(parts.map((part) => /class="([^"]*)"/.exec(part)?.[1] ?? '')).toEqual(classes)
})

test('inverse text has no other colours, which could not be read', () => {
  expect(shown('^7;37;41m PASS ^27m red')).toBe(
    '<span class="ansi-inverse"> PASS </span><span class="fg7 bg1"> red</span>',
  )
})
