import { expect, test } from 'vitest'
import {
  evaluateExpression,
  isTruthy,
  type Scope,
} from '../../src/workflow/expression/expression.ts'

const scope: Scope = {
  contexts: {
    github: { ref: 'refs/heads/main', event: { pull_request: { number: 3 } } },
    matrix: { os: 'linux', list: [1, 2, 3] },
    needs: { build: { result: 'success', outputs: { id: '7' } } },
  },
  status: { success: () => true, failure: () => false, cancelled: () => false },
}

test.each([
  ["github.ref == 'refs/heads/main'", true],
  ["GITHUB.REF == 'REFS/heads/main'", true],
  ['github.event.pull_request.number', 3],
  ['matrix.list[1]', 2],
  ['needs.build.outputs.id', '7'],
  ["needs['build'].result", 'success'],
  ["contains(matrix.list, 2) && !contains('abc', 'x')", true],
  ["startsWith(github.ref, 'refs/') && endsWith(github.ref, 'main')", true],
  ["format('{0}-{1}', matrix.os, 3)", 'linux-3'],
  ["join(matrix.list, '+')", '1+2+3'],
  ['toJSON(matrix.list[0])', '1'],
  ['fromJSON(\'{"a":[true]}\').a[0]', true],
  ['github.nothing.deeper', null],
  ['vars.unset', null],
  ["matrix.os == 'linux' && 'yes' || 'no'", 'yes'],
  ['success() && !failure() && always() && !cancelled()', true],
  ['needs.*.result', ['success']],
  ["'it''s Bob''s ''own'''", "it's Bob's 'own'"],
])('%s', async (expression, expected) => {
  expect(await evaluateExpression(expression, scope)).toEqual(expected)
})

test('case evaluates only the result that it returns', async () => {
  expect(await evaluateExpression("case(vars.x != null, fromJSON(vars.x), 'none')", scope)).toBe(
    'none',
  )
  expect(await evaluateExpression("case(false, 1, true, 2, fromJSON(''))", scope)).toBe(2)
  await expect(evaluateExpression("case('true', 1, 2)", scope)).rejects.toThrow('boolean')
  await expect(evaluateExpression('case(true, 1)', scope)).rejects.toThrow('case')
})

test('names of variables are case-sensitive, keys of other contexts are not', async () => {
  const contexts = { env: { URL: 'a', url: 'b', Only: 'c' }, matrix: { OS: 'x' } }
  const valueOf = async (expression: string): Promise<unknown> =>
    await evaluateExpression(expression, { contexts })
  expect(await valueOf("format('{0}{1}{2}', env.URL, env.url, env.only)")).toBe('ab')
  expect(await valueOf('ENV.Only')).toBe('c')
  expect(await valueOf('matrix.os')).toBe('x')
  expect(JSON.parse(String(await valueOf('toJSON(env)')))).toEqual(contexts.env)
})

test('a key that every object inherits is an ordinary one', async () => {
  const contexts = { matrix: JSON.parse('{"constructor": "c", "__proto__": {"a": 1}}') }
  expect(await evaluateExpression('matrix.constructor', { contexts })).toBe('c')
  expect(await evaluateExpression('matrix.__proto__.a', { contexts })).toBe(1)
  expect(await evaluateExpression('vars.constructor', { contexts: { vars: {} } })).toBeNull()
})

test('an invalid expression is rejected with the position of the error', async () => {
  await expect(evaluateExpression('1 + 1', scope)).rejects.toThrow(
    "Unexpected symbol: '+'. Located at position 3",
  )
  await expect(evaluateExpression('unknown()', scope)).rejects.toThrow('Unrecognized function')
  await expect(evaluateExpression("fromJSON('{')", scope)).rejects.toThrow('Error parsing JSON')
})

test('hashFiles runs once per set of patterns, and never in a branch that is not taken', async () => {
  const requested: string[][] = []
  const withFiles: Scope = {
    ...scope,
    hashFiles: (patterns) => {
      requested.push(patterns)
      return Promise.resolve(`hash-of-${patterns.join('+')}`)
    },
  }
  const expression = "format('{0} {1} {2}', hashFiles('a'), hashFiles('b', 'c'), hashFiles('a'))"
  expect(await evaluateExpression(expression, withFiles)).toBe('hash-of-a hash-of-b+c hash-of-a')
  expect(requested).toEqual([['a'], ['b', 'c']])
  expect(await evaluateExpression("false && hashFiles('z')", withFiles)).toBe(false)
  expect(
    await evaluateExpression(
      "fromJSON(format('[\"{0}\"]', hashFiles('d')))[hashFiles('e') == '']",
      withFiles,
    ),
  ).toBe('hash-of-d')
  expect(requested.slice(2)).toEqual([['e'], ['d']])
})

test('truthiness follows JavaScript, and every object is true', () => {
  expect([null, false, '', 0].map(isTruthy)).toEqual([false, false, false, false])
  expect([true, 'false', 1, [], {}].map(isTruthy)).toEqual([true, true, true, true, true])
})
