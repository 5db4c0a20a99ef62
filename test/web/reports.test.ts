/** Reports: how test results and coverage are read, and what pages say about them. */
import { describe, expect, test } from 'vitest'
import { parseCobertura } from '../../src/web/reports/cobertura.ts'
import { formatCovered, sumOf } from '../../src/web/reports/coverage.ts'
import { parseJunit } from '../../src/web/reports/junit.ts'
import { parseLcov } from '../../src/web/reports/lcov.ts'
import { nameOfTest } from '../../src/web/reports/test-results.ts'
import { parseTrx } from '../../src/web/reports/trx.ts'
import type { TarEntry } from '../http/archives-of.ts'
import { openSharedServer } from '../http/open-server.ts'
import { spoil } from '../lifecycle/stored-bytes.ts'
import { noise } from '../actions/archives.ts'

const server = await openSharedServer()

const results = `\ufeff<?xml version="1.0"?>
<!DOCTYPE testsuites>
<testsuites time="1,234.5">
  <!-- a > comment -->
  <testsuite name="outer" time="3"><testsuite name='inner "1"' time="2">
    <testcase name="adds &lt;1&gt; &amp; &#x2014; &#50; &unknown;" time="0.25"/>
    <testcase name="fails" classname="a.B"><failure message="">&#10;  first line
  second <![CDATA[<third> & more]]></failure><system-out>no detail</system-out></testcase>
    <testcase name="errs" classname="a.B"><error message="broken" type="E"/></testcase>
  </testsuite>
  <testcase name="waits"><skipped message="later"></skipped></testcase>
  <testcase name="not run" status="notrun" />
  </testsuite>
</testsuites>
`

describe('test results', () => {
  test('are read with nested suites, entities, character data, and totals in the root', () => {
    const read = parseJunit(results)
    expect(read).toMatchObject({ seconds: 1234.5, isWhole: true })
    expect(read?.tests).toEqual([
      {
        suite: 'inner "1"',
        name: 'adds <1> & — 2 &unknown;',
        outcome: 'passed',
        seconds: 0.25,
        message: '',
        detail: '',
      },
      expect.objectContaining({
        outcome: 'failed',
        message: 'first line',
        detail: 'first line\n  second <third> & more',
      }),
      expect.objectContaining({ outcome: 'failed', message: 'broken', detail: '' }),
      expect.objectContaining({ suite: 'outer', outcome: 'skipped', message: 'later' }),
      expect.objectContaining({ name: 'not run', outcome: 'skipped' }),
    ])
  })

  test('of a file that is cut off are those before the cut, and the file counts as incomplete', () => {
    for (const end of [results.indexOf(' second <!'), results.indexOf('broken')]) {
      const read = parseJunit(results.slice(0, end))
      expect(read?.isWhole).toBe(false)
      expect(read?.tests[0]).toMatchObject({ outcome: 'passed' })
      expect(read?.tests[1]).toMatchObject({ outcome: 'failed', message: 'first line' })
    }
  })

  test.each([
    '<testsuite><testcase name="a"/><system-out></other></testsuite>',
    '<testsuite><testcase name="a"/></testsuite></testsuite>',
    '<testsuite><testcase name="a"/><testcase name="b"></testsuite>',
  ])('of broken XML are incomplete: %s', (text) => {
    expect(parseJunit(text)).toMatchObject({ isWhole: false, tests: [{ name: 'a' }] })
  })

  test('add up the times of suites without a root', () => {
    const suite = '<testsuite time="1.5"><testcase name="a"/></testsuite>'
    expect(parseJunit(suite)?.seconds).toBe(1.5)
    expect(parseJunit(`<testsuites>${suite}${suite}</testsuites>`)?.seconds).toBe(3)
    expect(parseJunit('<testsuite time="soon"></testsuite>')?.seconds).toBeNull()
  })

  test.each(['', 'no xml', '<project><testsuite/></project>', '<html>', '{"a": "<testsuite>"}'])(
    'are not seen in %j',
    (text) => {
      expect(parseJunit(text)?.tests ?? []).toEqual([])
    },
  )

  test('name each test once', () => {
    expect(nameOfTest({ suite: 'sum.test.ts', name: 'adds' })).toBe('sum.test.ts › adds')
    expect(nameOfTest({ suite: 'sum adds', name: 'sum adds' })).toBe('sum adds')
    expect(nameOfTest({ suite: 'b', name: 'bad' })).toBe('b › bad')
    expect(nameOfTest({ suite: 'a.B', name: '' })).toBe('a.B')
  })
})

const trx = `\ufeff<?xml version="1.0" encoding="utf-8"?>
<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010"><Results>
  <UnitTestResult testName="A.B.Adds" duration="00:01:00.5" outcome="Passed"><Output><StdOut>x</StdOut></Output></UnitTestResult>
  <UnitTestResult testName="A.B.Fails" duration="00:00:00.5000000" outcome="Failed"><Output><ErrorInfo>
    <Message>Expected 1 &lt; 0</Message><StackTrace>   at A.B.Fails()
   at B</StackTrace></ErrorInfo></Output></UnitTestResult>
  <UnitTestResult testName="A.B.Waits" outcome="NotExecuted" />
  <UnitTestResult testName="A.B.Rows" outcome="Failed"><InnerResults>
    <UnitTestResult testName="A.B.Rows (1)" outcome="Passed" />
    <UnitTestResult testName="A.B.Rows (2)" outcome="Timeout" />
  </InnerResults></UnitTestResult>
</Results></TestRun>`

describe('test results of .NET', () => {
  test('are read, and of nested ones the inner', () => {
    const read = parseTrx(trx)
    expect(read).toMatchObject({ isWhole: true, seconds: 61 })
    expect(read?.tests.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'A.B.Adds passed',
      'A.B.Fails failed',
      'A.B.Waits skipped',
      'A.B.Rows (1) passed',
      'A.B.Rows (2) failed',
    ])
    expect(read?.tests[1]).toMatchObject({
      message: 'Expected 1 < 0',
      detail: '   at A.B.Fails()\n   at B',
      seconds: 0.5,
    })
    expect(parseTrx(trx.slice(0, 500))).toMatchObject({ isWhole: false })
    expect(parseTrx(trx.replaceAll('duration', 'other'))).toMatchObject({ seconds: null })
    expect(parseTrx(results)).toBeUndefined()
    expect(parseTrx('')).toBeUndefined()
  })
})

const cobertura = `<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM 'http://cobertura.sourceforge.net/xml/coverage-04.dtd'>
<coverage line-rate="0.5"><packages><package name="p"><classes>
  <class name="A" filename="src/a.py"><methods><method name="m"><lines>
    <line number="1" hits="1"/></lines></method></methods>
    <lines><line number="1" hits="0"/><line number="2" hits="3" branch="true" condition-coverage="50% (1/2)"/></lines></class>
  <class name="A.Inner" filename="src/a.py"><lines><line number="9" hits="0"/></lines></class>
  <class name="B" filename="src/b.py"><lines/></class>
</classes></package></packages></coverage>`

describe('coverage of Cobertura', () => {
  test('is read by file, with each line once', () => {
    expect(parseCobertura(cobertura)).toEqual({
      files: [
        { path: 'src/a.py', lines: { found: 3, hit: 2 }, branches: { found: 2, hit: 1 } },
        { path: 'src/b.py', lines: { found: 0, hit: 0 }, branches: { found: 0, hit: 0 } },
      ],
      isWhole: true,
    })
    // The XML of Clover has the same root.
    expect(
      parseCobertura('<coverage><project><file name="a"/></project></coverage>'),
    ).toBeUndefined()
    expect(parseCobertura('<project><class filename="a"/></project>')).toBeUndefined()
  })
})

const trace = `TN:one
SF:src/a.ts
DA:1,1
DA:2,0
BRDA:1,0,0,1
BRDA:1,0,1,-
LH:1
LF:2
end_of_record
TN:two
SF:src/a.ts
DA:2,3,checksum
DA:3,0
end_of_record
SF:src/b.ts
LH:9
LF:10
end_of_record
`

describe('coverage', () => {
  test('merges the lines that several tests ran, and uses totals where there are no lines', () => {
    const coverage = parseLcov(trace)
    expect(coverage).toEqual({
      files: [
        { path: 'src/a.ts', lines: { found: 3, hit: 2 }, branches: { found: 2, hit: 1 } },
        { path: 'src/b.ts', lines: { found: 10, hit: 9 }, branches: { found: 0, hit: 0 } },
      ],
      isWhole: true,
    })
    expect(formatCovered(sumOf(coverage!.files, 'lines'))).toBe('84.6 %')
    expect(parseLcov(trace.replaceAll('\n', '\r\n'))).toEqual(coverage)
    expect(parseLcov(trace.trimEnd())).toEqual(coverage)
    expect(parseLcov(trace.slice(0, -3))).toEqual({ ...coverage, isWhole: false })
    expect(parseLcov('LF:1\nDA:1,1\n')).toBeUndefined()
  })

  test('is 100 % only if it is complete', () => {
    expect(formatCovered({ found: 10_000, hit: 9999 })).toBe('99.9 %')
    expect(formatCovered({ found: 3, hit: 3 })).toBe('100 %')
    expect(formatCovered({ found: 0, hit: 0 })).toBe('–')
  })
})

function suiteOf(name: string, failed: number, passed: number): string {
  const failure = `<testcase classname="${name}" name="bad"><failure message="1 &lt; 2"/></testcase>`
  const ok = `<testcase classname="${name}" name="ok"/>`
  return `<testsuite>${failure.repeat(failed)}${ok.repeat(passed)}</testsuite>`
}

async function textOf(path: string): Promise<string> {
  const response = await server.visit(path)
  expect(response.status).toBe(200)
  return (await response.text()).replaceAll(/<[^>]+>/g, '').replaceAll(/\s+/g, ' ')
}

async function put(place: string, tar: TarEntry[]): Promise<string> {
  const id = await server.put(place, { tar })
  return `/octo/app/actions/runs/${place.split('/')[0]}/artifacts/${id}`
}

describe('the page of a run', () => {
  test('says how many tests failed and which, and how much is covered', async () => {
    const unit = await put('1/unit', [
      { name: 'out/junit.xml', content: suiteOf('sum', 2, 3) },
      { name: 'coverage/lcov.info', content: trace },
      { name: 'coverage/lcov-report/index.html', content: '<h1>Coverage</h1>' },
    ])
    const java = await put('1/java', [
      { name: 'a/target/surefire-reports/TEST-a.xml', content: suiteOf('a', 0, 1) },
      { name: 'a/target/surefire-reports/TEST-b.xml', content: suiteOf('b', 1, 0) },
      { name: 'a/target/site/junit-notes.xml', content: '<project/>' },
    ])
    await put('1/without', [{ name: 'notes.txt', content: 'no report' }])
    const page = '/octo/app/actions/runs/1'
    const html = await server.page(page)
    for (const path of [
      `${unit}/blob/out/junit.xml`,
      `${unit}/blob/coverage/lcov.info`,
      `${unit}/blob/coverage/lcov-report/index.html`,
      `${unit}/blob/out/junit.xml#failure-2`,
      `${java}/tree/a/target/surefire-reports`,
      `${java}/blob/a/target/surefire-reports/TEST-b.xml#failure-1`,
    ]) {
      expect(html).toContain(`href="${path}"`)
    }
    expect(html).not.toContain('junit-notes')
    const text = await textOf(page)
    expect(text).toContain('java2 tests, 1 failed')
    expect(text).toContain('unit5 tests, 2 failed84.6 % of lines')
    expect(text).toContain('b › bad in java: 1 &lt; 2')
  })

  test('finds results of .NET, and coverage of Cobertura although another format has its name', async () => {
    const dotnet = await put('7/dotnet', [
      { name: 'TestResults/run.trx', content: trx },
      { name: 'a/coverage.xml', content: '<coverage><project/></coverage>' },
      { name: 'b/coverage.cobertura.xml', content: cobertura },
    ])
    const text = await textOf('/octo/app/actions/runs/7')
    expect(text).toContain('dotnet5 tests, 2 failed66.6 % of lines')
    expect(await textOf(`${dotnet}/blob/TestResults/run.trx`)).toContain('5 tests: 2 failed')
    const page = await textOf(`${dotnet}/blob/b/coverage.cobertura.xml`)
    expect(page).toContain('66.6 % of 3 lines covered, 50.0 % of 2 branches.')
  })

  test.each([
    ['coverage.xml', cobertura, '<class name="A.Inner"', '100 % of lines, incomplete'],
    ['lcov.info', trace, 'LH:9', '66.6 % of lines, incomplete'],
  ])('of %s that is cut off say so', async (name, whole, at, said) => {
    const run = name.length
    const content = whole.slice(0, whole.indexOf(at))
    const cut = await put(`${run}/cut`, [{ name, content }])
    expect(await textOf(`/octo/app/actions/runs/${run}`)).toContain(said)
    const page = await textOf(`${cut}/blob/${name}`)
    expect(page).toContain('This file is incomplete: only the lines above its broken place')
  })

  test('folds the reports of many artifacts below their sum', async () => {
    for (let shard = 10; shard < 31; shard++)
      await put(`8/shard-${shard}`, [{ name: 'junit.xml', content: suiteOf('sum', shard % 2, 2) }])
    const text = await textOf('/octo/app/actions/runs/8')
    expect(text).toMatch(/20 artifacts: 50 tests, 10 failed.*shard-113 tests.*shard-102 tests/)
    expect(text).toContain('Only the first 20 artifacts below were searched for reports.')
    expect(await textOf('/octo/app/actions/runs/1')).not.toContain('Only the first')
  })

  test('counts failures that it does not list', async () => {
    await put('2/many', [{ name: 'junit.xml', content: suiteOf('sum', 30, 0) }])
    const text = await textOf('/octo/app/actions/runs/2')
    expect(text.match(/sum › bad/g)).toHaveLength(10)
    expect(text).toContain('and 20 more')
  })

  test('opens although results are damaged or cut off, and says that there are more', async () => {
    const bad = noise(9000, 5)
    await put('3/damaged', [
      { name: 'one/junit.xml', content: Buffer.concat([Buffer.from('<testsuite>'), bad]) },
      { name: 'two/junit.xml', content: suiteOf('two', 0, 1) },
    ])
    await put('3/cut', [{ name: 'junit.xml', content: suiteOf('cut', 0, 2).slice(0, -5) }])
    await spoil(`${server.dataDir}/cas`, bad.subarray(4000, 4016))
    const text = await textOf('/octo/app/actions/runs/3')
    expect(text).toContain('damagedat least 1 test, none failed')
    expect(text).toContain('cutat least 2 tests, none failed')
    expect(text).toContain('one/junit.xml in damaged: its stored bytes are damaged')
  })

  test('names the results that could not be read, and why', async () => {
    await put('20/killed', [
      { name: 'empty/junit.xml', content: '' },
      { name: 'junit.xml', content: 'Segmentation fault\n' },
      { name: 'other/junit.xml', content: '<project/>' },
    ])
    const text = await textOf('/octo/app/actions/runs/20')
    expect(text).toContain(
      'ReportsCould not be read:empty/junit.xml in killed: it is emptyjunit.xml in killed: it is not XMLArtifacts',
    )
    const tar = Array.from({ length: 7 }, (_, index) => ({
      name: `${index}/junit.xml`,
      content: suiteOf('large', 0, 1) + ' '.repeat(3 << 20),
    }))
    await put('20/large', tar)
    const more = await textOf('/octo/app/actions/runs/20')
    expect(more).toContain('largeat least 1 test, none failed')
    expect(more).toMatch(
      /3\/junit\.xml in large: only 4\.0 MiB of an artifact’s reports are read.*and 3 more/,
    )
  })
})

describe('the page of a file', () => {
  test('shows failed tests with their messages, and all tests; the source is a button away', async () => {
    const artifact = await put('4/unit', [{ name: 'junit.xml', content: results }])
    const text = await textOf(`${artifact}/blob/junit.xml`)
    expect(text).toContain('5 tests: 2 failed, 2 skipped, 1 passed in 20m 35s.')
    expect(text).toContain('Source')
    expect(text).toMatch(/failed a\.B › fails\s*first line second &lt;third&gt; &amp; more/)
    expect(text).toMatch(
      /passed\s*inner &quot;1&quot; › adds &lt;1&gt; &amp; — 2 &amp;unknown;\s*250 ms/,
    )
    const source = await textOf(`${artifact}/blob/junit.xml?as=text`)
    expect(source).toContain('&lt;testsuites time=')
    expect(source).toContain('Preview')
  })

  test('shows coverage with the least covered files first', async () => {
    const artifact = await put('5/unit', [{ name: 'lcov.info', content: trace }])
    const text = await textOf(`${artifact}/blob/lcov.info`)
    expect(text).toContain('84.6 % of 13 lines covered, 50.0 % of 2 branches.')
    expect(text).toMatch(/src\/a\.ts\s*66\.6 %\s*1\s*50\.0 %.*src\/b\.ts\s*90\.0 %\s*1\s*–/)
  })

  test('shows other XML as text', async () => {
    const artifact = await put('6/unit', [{ name: 'pom.xml', content: '<project>\n</project>\n' }])
    const text = await textOf(`${artifact}/blob/pom.xml`)
    expect(text).toContain('&lt;project&gt;')
    expect(text).not.toContain('Source')
  })
})
