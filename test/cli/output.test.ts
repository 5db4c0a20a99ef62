/** Untrusted text as terminals, readers of logs and CI runners see it. */
import { describe, expect, test } from 'vitest'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import {
  formatJson,
  formatTable,
  printable,
  write,
  writeAll,
  writeAllRaw,
  writeJson,
} from '../../src/cli/output/output.ts'

async function writtenBy(act: (stream: PassThrough) => Promise<void>): Promise<string> {
  const stream = new PassThrough()
  const written = text(stream)
  await act(stream)
  stream.end()
  return await written
}

test('columns of a table line up, whatever the width of their characters', () => {
  const names = ['lv', '日本語', 'データ', 'caf\u0065\u0301', '🚀 go', 'a·b—ü']
  const table = formatTable(names, [
    ['NAME', (name) => name],
    ['N', (name) => name, 'right'],
    ['', () => '|'],
  ])
  expect(table.split('\n')).toEqual([
    'NAME         N',
    'lv          lv  |',
    '日本語  日本語  |',
    'データ  データ  |',
    'cafe\u0301      cafe\u0301  |',
    '🚀 go    🚀 go  |',
    'a·b—ü    a·b—ü  |',
    '',
  ])
})

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
    expect(formatTable([name], [['NAME', (each) => each]])).toBe(`NAME\n${shown}\n`)
    for (const json of [formatJson({ name }), formatJson({ name }, 2)]) {
      expect(JSON.parse(json)).toEqual({ name })
      for (const line of json.split('\n')) expect(printable(line)).toBe(line)
    }
  })

  test('a table may have hundreds of thousands of rows', () => {
    const table = formatTable([...Array(200_000).keys()], [['N', String, 'right']])
    expect(table.slice(0, 14)).toBe('     N\n     0\n')
  })
})

describe('text', () => {
  const hostile = 'a\u001b[2J\t7 files\n::error::x\r\n  ##[error]\u202e\n'
  const harmless = 'a\ufffd[2J\t7 files\n\ufffd:error::x\ufffd\n  \ufffd#[error]\ufffd\n'

  test('is made harmless when it is written, line by line', async () => {
    expect(await writtenBy(async (stream) => await write(stream, hostile))).toBe(harmless)
    expect(await writtenBy(async (stream) => await writeAll(stream, [hostile]))).toBe(harmless)
  })

  test('is written unchanged as bytes, as JSON and for programs', async () => {
    expect(await writtenBy(async (stream) => await write(stream, Buffer.from(hostile)))).toBe(
      hostile,
    )
    expect(await writtenBy(async (stream) => await writeAllRaw(stream, [hostile]))).toBe(hostile)
    const json = await writtenBy(async (stream) => await writeJson(stream, { hostile }))
    expect(JSON.parse(json)).toEqual({ hostile })
  })
})
