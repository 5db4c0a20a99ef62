/** Routes that download artifacts and their files, as data. */
import { lengthHeader } from './completeness.ts'
import { apiRoot } from './paths.ts'
import { archiveQuery, fileQuery, runArchiveQuery, signedUrlQuery } from './queries.ts'
import { type ApiRoute, bytes, json, unmodified } from './route.ts'
import { signedUrlSchema } from './signed-url-messages.ts'

const ranged = [410, 412, 416]

const lengthNote = `\`${lengthHeader}\` is the length of the whole.`

/** Responses of routes that support range requests. */
function rangeResponses(description: string, mediaType: string): ApiRoute['responses'] {
  return {
    200: bytes(`${description} ${lengthNote}`, mediaType),
    206: bytes(`The requested range. ${lengthNote}`, mediaType),
    ...unmodified,
  }
}

export const downloadRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/files/{path}`,
    operationId: 'readFile',
    readsPublic: true,
    summary:
      'One file, whole or in part; gzip if accepted. `path` may contain slashes. A signed URL of the file needs no token.',
    query: fileQuery,
    responses: rangeResponses('The file.', '*/*'),
    errors: ranged,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/signed-url`,
    operationId: 'signUrl',
    readsPublic: true,
    summary:
      'A URL of the zip of the artifact (of a raw artifact: of its file), or of one file, that needs no token until it expires.',
    query: signedUrlQuery,
    responses: { 200: json('The URL.', signedUrlSchema) },
    errors: [410],
  },
  ...(['zip', 'tar.gz'] as const).map((format): ApiRoute => {
    const type = format === 'zip' ? 'application/zip' : 'application/gzip'
    return {
      method: 'get',
      path: `${apiRoot}/artifacts/{id}/archive.${format}`,
      operationId: format === 'zip' ? 'readZip' : 'readTarGz',
      readsPublic: true,
      summary: `The artifact as ${format}, whole or in part.`,
      query: archiveQuery,
      responses: rangeResponses('The archive.', type),
      errors: ranged,
    }
  }),
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}/archive.zip`,
    operationId: 'readRunZip',
    readsPublic: true,
    summary: 'All artifacts of a run as one zip, one folder per artifact.',
    query: runArchiveQuery,
    responses: rangeResponses('The archive.', 'application/zip'),
    errors: ranged,
  },
]
