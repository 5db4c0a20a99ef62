import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Json } from '../../src/workflow/expression/expression.ts'
import { expandMatrix, type Combination } from '../../src/workflow/file/matrix.ts'

function combinationsOf(matrix: Json): Combination[] {
  return expandMatrix(matrix).map(({ values }) => values)
}

test('axes are combined in the order in which they are written', () => {
  expect(combinationsOf({ os: ['a', 'b'], node: [18, 20] })).toEqual([
    { os: 'a', node: 18 },
    { os: 'a', node: 20 },
    { os: 'b', node: 18 },
    { os: 'b', node: 20 },
  ])
})

// The example in GitHub's documentation, "Expanding or adding matrix configurations".
test('include extends combinations it does not contradict, and otherwise adds a new one', () => {
  const expanded = combinationsOf({
    fruit: ['apple', 'pear'],
    animal: ['cat', 'dog'],
    include: [
      { color: 'green' },
      { color: 'pink', animal: 'cat' },
      { fruit: 'apple', shape: 'circle' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  })
  expect(expanded).toEqual([
    { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
    { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
    { fruit: 'pear', animal: 'cat', color: 'pink' },
    { fruit: 'pear', animal: 'dog', color: 'green' },
    { fruit: 'banana' },
    { fruit: 'banana', animal: 'cat' },
  ])
})

test('exclude can name only some of the axes', () => {
  const matrix = { os: ['mac', 'win'], version: [12, 14], environment: ['staging', 'production'] }
  const expanded = combinationsOf({
    ...matrix,
    exclude: [
      { os: 'mac', version: 12, environment: 'production' },
      { os: 'win', version: 14 },
    ],
  })
  expect(expanded).toHaveLength(8 - 1 - 2)
  expect(expanded).not.toContainEqual({ os: 'win', version: 14, environment: 'staging' })
})

// As `matrix.os` finds `OS`. withastro/astro has axes `OS` and excludes `os`.
test('keys are case-insensitive in include and exclude', () => {
  const expanded = combinationsOf({
    OS: ['linux', 'mac'],
    Tool: [{ Name: 'a' }, { Name: 'b' }],
    exclude: [{ os: 'mac', tool: { name: 'b' } }],
    include: [
      { os: 'linux', extra: 1 },
      { OS: 'mac', EXTRA: 2 },
      { os: 'mac', extra: 3 },
    ],
  })
  expect(expanded).toEqual([
    { OS: 'linux', Tool: { Name: 'a' }, extra: 1 },
    { OS: 'linux', Tool: { Name: 'b' }, extra: 1 },
    { OS: 'mac', Tool: { Name: 'a' }, EXTRA: 3 },
  ])
})

test('include alone makes a matrix', () => {
  expect(combinationsOf({ include: [{ site: 'a' }, { site: 'b', x: 1 }] })).toEqual([
    { site: 'a' },
    { site: 'b', x: 1 },
  ])
})

test('a malformed matrix reports what is wrong', () => {
  expect(() => expandMatrix({ os: 'linux' })).toThrow('matrix.os must be a list')
  expect(() => expandMatrix({ os: [] })).toThrow('matrix.os has no values')
  expect(() => expandMatrix({ os: ['a'], include: ['x'] })).toThrow(
    'matrix.include must be a list of mappings',
  )
  expect(() => expandMatrix(['a'])).toThrow('matrix must be a mapping')
})

test('a matrix with too many combinations is rejected before it is expanded', () => {
  const ten = Array.from({ length: 10 }, (_, index) => index)
  const axes = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`axis${index}`, ten]))
  expect(() => expandMatrix(axes)).toThrow('the matrix has at least 1000000 combinations')
  const five = Object.fromEntries(Object.entries(axes).slice(0, 5))
  expect(combinationsOf({ ...five, exclude: [{ axis0: 0 }] })).toHaveLength(90_000)
})

test('without include and exclude, the number of combinations is the product of the axis lengths', () => {
  const axis = fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom('a', 'b', 'c'), axis, { minKeys: 1 }), (axes) => {
      const product = Object.values(axes).reduce((total, values) => total * values.length, 1)
      const expanded = combinationsOf(axes)
      expect(expanded).toHaveLength(product)
      expect(new Set(expanded.map((combination) => JSON.stringify(combination))).size).toBe(product)
    }),
  )
})

test('include and exclude compare as == does, and an include changes no axis value', () => {
  const matrix = { node: [18, '20', 22], os: ['Linux', 'mac'] }
  expect(
    combinationsOf({
      ...matrix,
      exclude: [{ node: '18' }, { node: 20, os: 'LINUX' }, { node: '22.0', os: 'mac' }],
      include: [{ node: '22', os: 'linux', extra: true }],
    }),
  ).toEqual([
    { node: '20', os: 'mac' },
    { node: 22, os: 'Linux', extra: true },
  ])
  const list = [
    [1, 2],
    [1, 3],
  ]
  expect(combinationsOf({ list, exclude: [{ list: [1, '3'] }] })).toEqual([{ list: [1, 2] }])
})

test('an exclude with an unknown key is an error', () => {
  expect(() => expandMatrix({ os: ['a'], exclude: [{ nod: 18 }] })).toThrow(
    'matrix.exclude names nod, which is not a key of the matrix',
  )
})

test('a name shows the values of a combination, nested ones too, but not those that an include adds', () => {
  const suffixesOf = (matrix: Json): string[] => expandMatrix(matrix).map(({ suffix }) => suffix)
  const deep = { a: true, b: [1, 2], none: null, empty: '' }
  expect(suffixesOf({ os: ['linux'], node: [20], deep: [deep] })).toEqual([
    ' (linux, 20, true, 1, 2)',
  ])
  expect(
    suffixesOf({
      os: ['a', 'b'],
      include: [
        { os: 'a', x: 1 },
        { os: 'c', x: 2 },
      ],
    }),
  ).toEqual([' (a)', ' (b)', ' (c, 2)'])
  expect(suffixesOf({ none: [null] })).toEqual([''])
})
