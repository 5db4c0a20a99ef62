/** Untrusted text as terminals, readers of logs and CI runners see it. */
import { describe, expect, test } from 'vitest'
import { formatJson, formatTable, printable } from '../../src/cli/output.ts'

describe('a name that would', () => {
  const cases: [string, name: string, shown: string][] = [
    ['control the terminal', 'a\u001b[2J\u009b2J', 'a\ufffd[2J\ufffd2J'],
    ['start a line', 'a\nb\u2028c\u2029d\r', 'a\ufffdb\ufffdc\ufffdd\ufffd'],
    ['reverse the text that follows', 'a\u202egpj.exe\u2066\u2069', 'a\ufffdgpj.exe\ufffd\ufffd'],
    [
      'set an output of the step',
      '::set-output name=tag::evil',
      '\ufffd:set-output name=tag::evil',
    ],
    ['do so after blanks, which runners skip', '  ::error::x', '  \ufffd:error::x'],
    [
      'do so in the middle of a line',
      'a ##[set-output name=tag;]evil',
      'a \ufffd#[set-output name=tag;]evil',
    ],
    [
      'set a variable of a pipeline',
      'a##vso[task.setvariable variable=x]y',
      'a\ufffd#vso[task.setvariable variable=x]y',
    ],
    ['do nothing', 'src/a::b/## c [d]/\u05d0\u200f.txt', 'src/a::b/## c [d]/\u05d0\u200f.txt'],
  ]

  test.each(cases)('%s', (_what, name, shown) => {
    expect(printable(name)).toBe(shown)
    expect(formatTable(['NAME'], ['left'], [[name]])).toBe(`NAME\n${shown}\n`)
    for (const json of [formatJson({ name }), formatJson({ name }, 2)]) {
      expect(JSON.parse(json)).toEqual({ name })
      for (const line of json.split('\n')) expect(printable(line)).toBe(line)
    }
  })
})
