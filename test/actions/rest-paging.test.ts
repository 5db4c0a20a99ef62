/** Paging of the REST subset: following `next` visits every item once. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { linkHeader, parsePageRequest } from '../../src/actions/rest/paging.ts'

test('following the next links visits every item exactly once', () => {
  fc.assert(
    fc.property(fc.nat(1001), fc.integer({ min: 1, max: 100 }), (total, perPage) => {
      let url: URL | undefined = new URL(`http://store/list?per_page=${perPage}&name=a%20b`)
      let seen = 0
      let pages = 0
      while (url !== undefined) {
        const query: URLSearchParams = url.searchParams
        expect(query.get('name')).toBe('a b')
        const request = parsePageRequest({
          page: query.get('page') ?? undefined,
          perPage: query.get('per_page') ?? undefined,
        })
        expect(request.perPage).toBe(perPage)
        seen += Math.max(0, Math.min(perPage, total - (request.page - 1) * perPage))
        pages += 1
        const next: string | undefined = /<([^>]*)>; rel="next"/.exec(
          linkHeader(url, request, total) ?? '',
        )?.[1]
        url = next === undefined ? undefined : new URL(next)
      }
      expect(seen).toBe(total)
      expect(pages).toBe(Math.max(1, Math.ceil(total / perPage)))
    }),
  )
})

test('a list that fits has no links, a middle page has all four', () => {
  const url = new URL('http://store/list')
  expect(linkHeader(url, { page: 1, perPage: 30 }, 30)).toBeUndefined()
  expect(linkHeader(url, { page: 2, perPage: 30 }, 90)?.match(/rel="\w+"/g)).toEqual([
    'rel="prev"',
    'rel="next"',
    'rel="last"',
    'rel="first"',
  ])
})

test('invalid values are replaced and never rejected', () => {
  expect(parsePageRequest({ page: 'x', perPage: '0' })).toEqual({ page: 1, perPage: 30 })
  expect(parsePageRequest({ page: '-1', perPage: '1000' })).toEqual({ page: 1, perPage: 100 })
})
