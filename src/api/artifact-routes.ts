/** Routes of artifacts and of what is known about their contents, as data. */
import { comparisonLineSchema, comparisonSchema } from './comparison-messages.ts'
import { entriesHeader } from './completeness.ts'
import { historySchema } from './history-messages.ts'
import {
  artifactAnswerSchema,
  artifactSchema,
  artifactListSchema,
  bulkDeletionRequestSchema,
  bulkDeletionSchema,
  deletionSchema,
  directoryPageSchema,
  entrySchema,
  holderListSchema,
  manifestPageSchema,
  retainedArtifactSchema,
  retentionChangeSchema,
  searchLineSchema,
} from './messages.ts'
import { bundleMediaType } from '../core/attestation.ts'
import { apiRoot, attestationKeysPath, searchPath } from './paths.ts'
import {
  artifactListQuery,
  artifactQuery,
  attestationQuery,
  compareQuery,
  deletionQuery,
  directoryQuery,
  historyQuery,
  holdersQuery,
  manifestQuery,
  searchQuery,
  sizesQuery,
  uploadQuery,
} from './queries.ts'
import { directorySizesSchema } from './size-messages.ts'
import { type ApiRoute, bytes, json, unmodified } from './route.ts'

const gone = [410]
const conditional = [410, 412]

export const artifactRoutes: readonly ApiRoute[] = [
  {
    method: 'get',
    path: `${apiRoot}/artifacts`,
    operationId: 'listArtifacts',
    readsPublic: true,
    summary: 'Artifacts that the caller may read, filtered and sorted.',
    query: artifactListQuery,
    responses: { 200: json('A page of artifacts.', artifactListSchema) },
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}`,
    operationId: 'readArtifact',
    readsPublic: true,
    summary: 'One artifact.',
    query: artifactQuery,
    responses: {
      200: json(
        'The artifact; without its details when `brief` was requested.',
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
      'Changes the expiry of an artifact, or pins it; with `dryRun` only reports the effect. Requires scope write.',
    request: { json: retentionChangeSchema },
    responses: { 200: json('The artifact after the change.', retainedArtifactSchema) },
    errors: gone,
  },
  {
    method: 'delete',
    path: `${apiRoot}/artifacts/{id}`,
    operationId: 'deleteArtifact',
    summary:
      'Deletes an artifact. The deletion can be undone for a while, after which disk space is freed.',
    query: deletionQuery,
    responses: { 200: json('The deletion.', deletionSchema) },
    errors: gone,
  },
  {
    method: 'post',
    path: `${apiRoot}/artifacts/{id}/undelete`,
    operationId: 'undeleteArtifact',
    summary: 'Undoes a deletion that can still be undone. Requires scope write.',
    responses: { 200: json('The restored artifact.', artifactSchema) },
    errors: [409, 410, 413],
  },
  {
    method: 'post',
    path: `${apiRoot}/artifacts/bulk-delete`,
    operationId: 'deleteArtifacts',
    summary: 'Deletes artifacts by ids or filter; with `dryRun` only reports the effect.',
    request: { json: bulkDeletionRequestSchema },
    responses: { 200: json('The deletion.', bulkDeletionSchema) },
    errors: [413],
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/manifest`,
    operationId: 'readManifest',
    readsPublic: true,
    summary: `All entries, one per line, and their number as \`${entriesHeader}\`; with \`limit\` or \`cursor\`, one page. The ETag is the tree digest.`,
    query: manifestQuery,
    responses: {
      200: {
        description: 'Entries in path order.',
        content: { ndjson: entrySchema, orJson: manifestPageSchema },
      },
      ...unmodified,
    },
    errors: conditional,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/directory`,
    operationId: 'listDirectory',
    readsPublic: true,
    summary: 'The children of one directory.',
    query: directoryQuery,
    responses: { 200: json('A page of children.', directoryPageSchema) },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/sizes`,
    operationId: 'measureDirectory',
    readsPublic: true,
    summary: 'The children of one directory by size, each with all files below.',
    query: sizesQuery,
    responses: { 200: json('Sums of file sizes.', directorySizesSchema) },
    errors: gone,
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/history`,
    operationId: 'readFileHistory',
    readsPublic: true,
    summary:
      'Versions of one file in this artifact and those before it with its name and branch. Requires a token that ' +
      'can read the whole project.',
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
    readsPublic: true,
    summary:
      'A signed statement of which run the files of an artifact, and its zip, came from: an in-toto Statement in a Sigstore bundle.',
    query: attestationQuery,
    responses: { 200: bytes('The bundle.', bundleMediaType) },
    errors: gone,
  },
  {
    method: 'get',
    path: attestationKeysPath,
    operationId: 'readAttestationKeys',
    summary:
      'Public keys for verifying attestations, as PEM, that of the current signing key first. Requires no token.',
    isOpen: true,
    responses: { 200: bytes('The keys.', 'application/x-pem-file') },
  },
  {
    method: 'put',
    path: `${apiRoot}/projects/{owner}/{repo}/runs/{run}/artifacts/{name}`,
    operationId: 'putArtifact',
    summary:
      'Uploads a whole artifact. Content-Type determines the archive format; any other type is a single file.',
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
      200: json('The same job had already uploaded the same tree under this name.', artifactSchema),
      201: json('The new artifact.', artifactSchema),
    },
    errors: [408, 409, 413, 422, 507],
  },
  {
    method: 'get',
    path: `${apiRoot}/digests/{digest}`,
    operationId: 'findHolders',
    readsPublic: true,
    summary:
      'Live artifacts that hold a file of this digest (`sha256:` and 64 hex digits), in one project or ' +
      'all that the token is for. Requires a token that can read the whole project.',
    query: holdersQuery,
    responses: { 200: json('A page of artifacts, newest first.', holderListSchema) },
  },
  {
    method: 'get',
    path: searchPath,
    operationId: 'searchPaths',
    readsPublic: true,
    summary:
      'Entries of live artifacts whose paths match a glob, one per line, newest artifact first and in path order within an ' +
      'artifact. Ends after `limit` matches or some seconds, with a cursor to continue from.',
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
    readsPublic: true,
    summary:
      'Entries that differ between two artifacts, given as references: one page, or with ' +
      '`Accept: application/x-ndjson` all of them, one per line.',
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
