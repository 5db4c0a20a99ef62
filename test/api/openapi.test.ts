import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { apiRoot } from '../../src/api/paths.ts'
import type { AppContext, AppEnv } from '../../src/http/context.ts'
import { addNativeRoutes } from '../../src/http/native-routes.ts'
import { openApiDocument } from '../../src/api/openapi.ts'
import { apiRoutes } from '../../src/api/routes.ts'
import { openSharedServer, problemOf } from '../http/open-server.ts'

const server = await openSharedServer()

describe('/openapi.json', () => {
  test('is OpenAPI 3.1, needs no token, and is generated from the schemas', async () => {
    const response = await server.send('/openapi.json', { token: null })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(await openApiDocument())
  })

  test('refers only to existing components, and refers to every component', async () => {
    const document = (await openApiDocument()) as {
      openapi: string
      components: { schemas: Record<string, unknown> }
    }
    expect(document.openapi).toBe('3.1.0')
    const text = JSON.stringify(document)
    const referred = new Set(
      [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name),
    )
    expect(referred).toEqual(new Set(Object.keys(document.components.schemas)))
    expect(text).not.toContain('#/$defs')
    expect(text).not.toContain('"$schema"')
  })

  test('describes responses to preconditions and files of any type, and declares every other response a problem', async () => {
    const { paths } = (await openApiDocument()) as {
      paths: Record<string, { get: { responses: Record<string, object> } }>
    }
    const id = await server.put('1/a.txt')
    const { responses } = paths['/api/v1/artifacts/{id}/files/{path}']!.get
    const path = `/api/v1/artifacts/${id}/files/a.txt`
    const file = await server.send(path)
    expect(file.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(responses['200']).toMatchObject({ content: { '*/*': {} } })
    const other = await server.send(path, { headers: { 'if-match': '"other"' } })
    expect(await problemOf(other)).toMatchObject({ status: 412, code: 'precondition_failed' })
    expect(responses['412']).toEqual({ $ref: '#/components/responses/Problem' })
    expect(responses['304']).not.toHaveProperty('content')
    const stats = paths['/api/v1/stats']!.get.responses
    expect((await server.send('/api/v1/stats?project=none')).status).toBe(422)
    expect([stats['422'], stats['default']]).toEqual([
      undefined,
      { $ref: '#/components/responses/Problem' },
    ])
  })

  test('gives every operation a unique id and at least one success response', () => {
    const ids = apiRoutes.map((route) => route.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const route of apiRoutes) {
      expect(Object.keys(route.responses).some((status) => status.startsWith('2'))).toBe(true)
    }
  })

  test("has exactly the routes of the server's native API", () => {
    // The context is not used before the first request.
    const app = new Hono<AppEnv>()
    addNativeRoutes(app, {} as AppContext)
    const mounted = app.routes
      .filter(({ path }) => path.startsWith(`${apiRoot}/`))
      .map(({ method, path }) => `${method} ${path.replaceAll(/:\w+(?:\{[^}/]+\}+)?|\*/g, '{}')}`)
    const told = apiRoutes.map(
      ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, '{}')}`,
    )
    expect(new Set(mounted)).toEqual(new Set(told))
  })

  // For a route that the server lacks the status would be 404 `not_found`; its own routes require a
  // token and return 401.
  test.each(
    apiRoutes
      .filter(({ isOpen }) => isOpen !== true)
      .map((route) => [route.method.toUpperCase(), route.path] as const),
  )('%s %s is a route of the server and requires a token', async (method, path) => {
    const address = path
      .replace('{id}', '1')
      .replace('{run}', '1')
      .replace('{uploadId}', '0'.repeat(32))
      .replace(/\{\w+\}/g, 'x')
    const response = await server.send(address, { method, token: null })
    expect([response.status, await response.json()]).toEqual([
      401,
      expect.objectContaining({ code: 'unauthenticated' }),
    ])
  })

  test('requires no token for routes that take one in the body or are public', async () => {
    const open = apiRoutes.filter(({ isOpen }) => isOpen === true)
    expect(open.map(({ path }) => path)).toEqual([
      `${apiRoot}/attestation-keys`,
      `${apiRoot}/tokens/exchange`,
      `${apiRoot}/tokens/revoke`,
    ])
    const answers = await Promise.all([
      server.send(open[0]!.path, { token: null }),
      server.send(open[1]!.path, { method: 'POST', token: null, json: { idToken: 'x' } }),
      server.send(open[2]!.path, { method: 'POST', token: null, json: { token: 'x' } }),
    ])
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 401])
    expect((await answers[2]!.json()) as object).toMatchObject({
      detail: 'the token was not issued by this server',
    })
    expect(await openApiDocument()).toMatchObject({
      paths: Object.fromEntries(
        open.map(({ path, method }) => [path, { [method]: { security: [] } }]),
      ),
    })
  })
})
