/** Routes of artifacts and their contents, as data. */
import { comparisonLineSchema, comparisonSchema } from './comparison-messages.ts'
import {
  artifactAnswerSchema,
  artifactDetailSchema,
  artifactListSchema,
  bulkDeletionRequestSchema,
  bulkDeletionSchema,
  deletionSchema,
  directoryPageSchema,
  entrySchema,
  historySchema,
  holderListSchema,
  manifestPageSchema,
  retentionChangeSchema,
  searchLineSchema,
} from './messages.ts'
import { bundleMediaType } from '../core/attestation.ts'
import { apiRoot, attestationKeysPath, searchPath } from './paths.ts'
import {
  archiveQuery,
  artifactListQuery,
  artifactQuery,
  attestationQuery,
  compareQuery,
  deletionQuery,
  directoryQuery,
  fileQuery,
  historyQuery,
  holdersQuery,
  manifestQuery,
  runArchiveQuery,
  searchQuery,
  uploadQuery,
} from './queries.ts'
import { type ApiRoute, bytes, json } from './route.ts'
import { secretDismissalSchema, secretListSchema } from './secrets.ts'

const gone = [410]
const ranged = [410, 416]
/** What preconditions decide, without a body. */
const conditional: ApiRoute['responses'] = {
  304: { description: 'The caller has it.' },
  412: { description: 'It is not the one that the caller named.' },
}

/** What can be asked for a range of. */
function inPart(description: string, mediaType: string): ApiRoute['responses'] {
  return {
    200: bytes(description, mediaType),
    206: bytes('The range asked for.', mediaType),
    ...conditional,
  }
}

export const artifactRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/artifacts`,
    operationId: 'listArtifacts',
    summary: 'Artifacts that the caller may read, filtered and sorted.',
    query: artifactListQuery,
    responses: { 200: json('A page of artifacts.', artifactListSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}`,
    operationId: 'readArtifact',
    summary: 'One artifact.',
    query: artifactQuery,
    responses: {
      200: json(
        'The artifact; without its details when `brief` was asked for.',
        artifactAnswerSchema,
      ),
    },
    errors: gone,
  },
  {
    method: 'patch',
    path: `${apiRoot}/artifacts/{id}`,
    operationId: 'changeRetention',
    summary:
      'Changes when an artifact expires, or pins it; with `dryRun` only says what that would come to. Needs scope write.',
    request: { json: retentionChangeSchema },
    responses: { 200: json('The artifact as it is now, or would be.', artifactDetailSchema) },
    errors: gone,
  },
  {
    method: 'delete',
    path: `${apiRoot}/artifacts/{id}`,
    operationId: 'deleteArtifact',
    summary: 'Deletes an artifact. It can be taken back for a while; then its bytes come back.',
    query: deletionQuery,
    responses: { 200: json('It is gone.', deletionSchema) },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/secrets`,
    operationId: 'listSecrets',
    summary:
      'Credentials in its files: where they stand and of what kind they are, never what they are.',
    responses: { 200: json('What is known of them.', secretListSchema) },
    errors: gone,
  },
  {
    method: 'patch',
    path: `${apiRoot}/artifacts/{id}/secrets`,
    operationId: 'dismissSecrets',
    summary:
      'Says that what a file holds is no secret, for every artifact of the project that has a file of that content, or that it is one after all. Needs scope write.',
    request: { json: secretDismissalSchema },
    responses: { 200: json('What is known of them now.', secretListSchema) },
    errors: gone,
  },
  {
    method: 'post',
    path: `${apiRoot}/artifacts/{id}/undelete`,
    operationId: 'undeleteArtifact',
    summary: 'Takes a delete back while its time lasts. Needs scope write.',
    responses: { 200: json('The artifact is back.', artifactDetailSchema) },
    errors: [409, 410, 413],
  },
  {
    method: 'post',
    path: `${apiRoot}/artifacts/bulk-delete`,
    operationId: 'deleteArtifacts',
    summary: 'Deletes artifacts by ids or filter; `dryRun` says what that would free.',
    request: { json: bulkDeletionRequestSchema },
    responses: { 200: json('They are gone.', bulkDeletionSchema) },
    errors: [413],
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/manifest`,
    operationId: 'readManifest',
    summary:
      'All entries, one a line; one page of them when `limit` or `cursor` is given. ETag is the tree digest.',
    query: manifestQuery,
    responses: {
      200: {
        description: 'Entries in path order.',
        content: { ndjson: entrySchema, orJson: manifestPageSchema },
      },
      ...conditional,
    },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/directory`,
    operationId: 'listDirectory',
    summary: 'The children of one directory.',
    query: directoryQuery,
    responses: { 200: json('A page of children.', directoryPageSchema) },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/files/{path}`,
    operationId: 'readFile',
    summary: 'One file, whole or in part; gzip when accepted. `path` may hold slashes.',
    query: fileQuery,
    responses: inPart('The file.', '*/*'),
    errors: ranged,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/history`,
    operationId: 'readFileHistory',
    summary:
      'Versions of one file in this artifact and those before it with its name and branch. Needs a token that reads the ' +
      'whole project.',
    query: historyQuery,
    responses: {
      200: json(
        'Versions, newest first. The last one on a page may continue as the first one of the next.',
        historySchema,
      ),
    },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/attestation`,
    operationId: 'attestArtifact',
    summary:
      'Says, signed, which run the files of an artifact, and its zip, came from: an in-toto Statement in a bundle of Sigstore.',
    query: attestationQuery,
    responses: { 200: bytes('The bundle.', bundleMediaType) },
    errors: gone,
  },
  {
    method: 'get',
    path: attestationKeysPath,
    operationId: 'readAttestationKeys',
    summary: 'Public keys of attestations, as PEM, that of new ones first. Needs no token.',
    isOpen: true,
    responses: { 200: bytes('The keys.', 'application/x-pem-file') },
  },
  ...(['zip', 'tar.gz'] as const).map((format): ApiRoute => {
    const type = format === 'zip' ? 'application/zip' : 'application/gzip'
    return {
      method: 'get',
      path: `${apiRoot}/artifacts/{id}/archive.${format}`,
      operationId: format === 'zip' ? 'readZip' : 'readTarGz',
      summary: `The artifact as ${format}, whole or in part.`,
      query: archiveQuery,
      responses: inPart('The archive.', type),
      errors: ranged,
    }
  }),
  {
    method: 'get',
    path: `${apiRoot}/runs/{run}/archive.zip`,
    operationId: 'readRunZip',
    summary: 'All artifacts of a run as one zip, a folder each.',
    query: runArchiveQuery,
    responses: inPart('The archive.', 'application/zip'),
    errors: ranged,
  },
  {
    method: 'put',
    path: `${apiRoot}/projects/{owner}/{repo}/runs/{run}/artifacts/{name}`,
    operationId: 'putArtifact',
    summary:
      'Uploads a whole artifact. Content-Type says what the body is; any other type is one file.',
    query: uploadQuery,
    request: {
      bytes: [
        'application/zip',
        'application/x-tar',
        'application/gzip',
        'application/octet-stream',
      ],
    },
    responses: {
      200: json(
        'The same job had sent the same tree under this name before.',
        artifactDetailSchema,
      ),
      201: json('The new artifact.', artifactDetailSchema),
    },
    errors: [408, 409, 413, 422, 507],
  },
  {
    method: 'get',
    path: `${apiRoot}/digests/{digest}`,
    operationId: 'findHolders',
    summary:
      'Live artifacts that hold a file of this digest, `sha256:` and 64 hex digits; of all projects for administrators ' +
      'who name none. Needs a token that reads the whole project.',
    query: holdersQuery,
    responses: { 200: json('The newest first.', holderListSchema) },
  },
  {
    method: 'get',
    path: searchPath,
    operationId: 'searchPaths',
    summary:
      'Entries of live artifacts whose paths match a glob, one a line: those of the newest artifact first, and of each in ' +
      'path order. Ends after `limit` matches, or some seconds, with the cursor to go on from.',
    query: searchQuery,
    responses: {
      200: { description: 'Matches.', content: { ndjson: searchLineSchema } },
    },
    errors: [413],
  },
  {
    method: 'get',
    path: `${apiRoot}/compare`,
    operationId: 'compareArtifacts',
    summary:
      'Entries that differ between two artifacts, given as references: a page of them, or with ' +
      '`Accept: application/x-ndjson` all, one a line.',
    query: compareQuery,
    responses: {
      200: {
        description: 'Differences in path order.',
        content: { ndjson: comparisonLineSchema, orJson: comparisonSchema },
      },
    },
    errors: gone,
  },
]
