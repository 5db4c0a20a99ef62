/** Text of strangers, as a terminal, a reader of logs and a CI system's runner get it. */
import { describe, expect, test } from 'vitest'
import { formatJson, formatTable, printable } from '../../src/cli/output.ts'

describe('what a name would do', () => {
  const cases: [string, name: string, shown: string][] = [
    ['drive the terminal', 'a\u001b[2J\u009b2J', 'a\ufffd[2J\ufffd2J'],
    ['begin a line', 'a\nb\u2028c\u2029d\r', 'a\ufffdb\ufffdc\ufffdd\ufffd'],
    ['turn what follows', 'a\u202egpj.exe\u2066\u2069', 'a\ufffdgpj.exe\ufffd\ufffd'],
    [
      'set an output of the step',
      '::set-output name=tag::evil',
      '\ufffd:set-output name=tag::evil',
    ],
    ['do so behind blanks, which runners pass over', '  ::error::x', '  \ufffd:error::x'],
    [
      'do so anywhere in a line',
      'a ##[set-output name=tag;]evil',
      'a \ufffd#[set-output name=tag;]evil',
    ],
    [
      'set a variable of a pipeline',
      'a##vso[task.setvariable variable=x]y',
      'a\ufffd#vso[task.setvariable variable=x]y',
    ],
    ['nothing', 'src/a::b/## c [d]/\u05d0\u200f.txt', 'src/a::b/## c [d]/\u05d0\u200f.txt'],
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
