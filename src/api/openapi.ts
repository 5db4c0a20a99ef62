/** OpenAPI 3.1 document of the native API, generated from the route table and the schemas used
 *  for validation. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as z from 'zod'
import { problemSchema } from './messages.ts'
import type { ApiRoute, Content } from './route.ts'
import { apiRoutes } from './routes.ts'

type JsonObject = Record<string, unknown>

/** Version of the wire contract, not of the program. */
const apiVersion = '1.0.0'

/** Takes 50 ms in all, so it yields to other work after each route. */
export async function openApiDocument(): Promise<JsonObject> {
  const schemas: JsonObject = {}
  const paths: Record<string, JsonObject> = {}
  for (const route of apiRoutes) {
    const item = (paths[route.path] ??= {})
    item[route.method] = operationOf(route, schemas)
    await nextTurn()
  }
  const problem = referenceTo(problemSchema, schemas)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Trove',
      version: apiVersion,
      description:
        'A self-hosted artifact store for CI: the native API. Routes whose token is optional need none for projects that everyone may read (TROVE_PUBLIC_PROJECTS). Artifacts can also be read by WebDAV (RFC 4918) at /dav, whose methods OpenAPI cannot describe.',
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    security: [{ bearer: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      responses: {
        Problem: {
          description: 'An error (RFC 9457).',
          content: { 'application/problem+json': { schema: problem } },
        },
      },
    },
  }
}

function operationOf(route: ApiRoute, schemas: JsonObject): JsonObject {
  const errors = [400, 401, 403, 404, ...(route.errors ?? [])].sort((a, b) => a - b)
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.isOpen === true && { security: [] }),
    ...(route.readsPublic === true && { security: [{ bearer: [] }, {}] }),
    parameters: [...pathParameters(route.path), ...queryParameters(route.query)],
    ...(route.request !== undefined && {
      requestBody: { required: true, content: contentOf(route.request, schemas) },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(route.responses).map(([status, { description, content }]) => [
          status,
          { description, ...(content !== undefined && { content: contentOf(content, schemas) }) },
        ]),
      ),
      ...Object.fromEntries(
        [...errors, 'default'].map((status) => [
          status,
          { $ref: '#/components/responses/Problem' },
        ]),
      ),
    },
  }
}

const integerParameters: ReadonlySet<string> = new Set(['id', 'run'])

const ownerDescription =
  "The project's name up to its last slash, with `~` for slashes: `acme~platform` for `acme/platform/api`."

function pathParameters(path: string): JsonObject[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    ...(name === 'owner' && { description: ownerDescription }),
    schema: integerParameters.has(name) ? { type: 'integer', minimum: 1 } : { type: 'string' },
  }))
}

function queryParameters(query: z.ZodObject | undefined): JsonObject[] {
  if (query === undefined) return []
  const { properties = {} } = z.toJSONSchema(query)
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = property as JsonObject
    const isRequired = query.shape[name]?.safeParse(undefined).success === false
    return {
      name,
      in: 'query',
      required: isRequired,
      ...(description !== undefined && { description }),
      schema,
    }
  })
}

function contentOf(content: Content, schemas: JsonObject): JsonObject {
  if ('bytes' in content) return Object.fromEntries(content.bytes.map((type) => [type, {}]))
  if ('json' in content)
    return { 'application/json': { schema: referenceTo(content.json, schemas) } }
  return {
    'application/x-ndjson': { schema: referenceTo(content.ndjson, schemas) },
    ...(content.orJson !== undefined && {
      'application/json': { schema: referenceTo(content.orJson, schemas) },
    }),
  }
}

/** Adds a named schema and the schemas it refers to to the components, and returns a reference
 *  to it. */
function referenceTo(schema: z.ZodType, schemas: JsonObject): JsonObject {
  const id = schema.meta()?.id
  if (id === undefined) throw new TypeError('a schema of the wire contract must have an id')
  const {
    $schema: _dialect,
    $defs = {},
    id: _id,
    ...own
  } = relocated(z.toJSONSchema(schema)) as JsonObject
  Object.assign(schemas, { [id]: own }, $defs)
  return { $ref: `#/components/schemas/${id}` }
}

function relocated(schema: unknown): unknown {
  return JSON.parse(
    JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'),
  ) as unknown
}
