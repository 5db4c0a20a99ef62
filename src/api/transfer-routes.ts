/** Routes of the negotiated upload and the delta download, as data (negotiation.ts describes
 *  their bodies). */
import { artifactFetchQuery, manifestOfferQuery, timesOfferQuery, treeQuery } from './queries.ts'
import {
  changesMediaType,
  manifestMediaType,
  ordinalsMediaType,
  packMediaType,
  partsMediaType,
  timesMediaType,
  wantsMediaType,
} from './negotiation.ts'
import {
  commitAnswerSchema,
  offerAnswerSchema,
  offerSchema,
  receivedSchema,
  uploadCheckSchema,
} from './negotiation-messages.ts'
import { apiRoot, blobFetchPath, blobPartsPath, uploadCheckPath } from './paths.ts'
import { type ApiRoute, bytes, json } from './route.ts'

const upload = `${apiRoot}/uploads/{uploadId}`
const missing = bytes('Ordinals of the missing items.', ordinalsMediaType)

export const transferRoutes: readonly ApiRoute[] = [
  {
    method: 'post',
    path: uploadCheckPath,
    operationId: 'checkUpload',
    summary:
      'Whether an upload would be refused whatever its content: because of the token, the name, a quota that is used up, or a full disk.',
    request: { json: uploadCheckSchema },
    responses: { 204: { description: 'Nothing is known that would refuse it.' } },
    errors: [409, 413, 507],
  },
  {
    method: 'post',
    path: `${apiRoot}/uploads`,
    operationId: 'offerTree',
    summary:
      'Starts or continues a negotiated upload. A tree that the project has is committed at once.',
    request: { json: offerSchema },
    responses: { 200: json('The artifact, or the upload to continue.', offerAnswerSchema) },
    errors: [409, 413, 507],
  },
  {
    method: 'post',
    path: `${upload}/manifest`,
    operationId: 'offerManifest',
    summary:
      'Sends the canonical manifest, or with `base` the changes from that tree, compressed by gzip or (`Content-Encoding: br`) Brotli. Returns the missing files among the entries sent.',
    query: manifestOfferQuery,
    request: { bytes: [manifestMediaType, changesMediaType] },
    responses: { 200: missing },
    errors: [404, 409, 413, 422],
  },
  {
    method: 'get',
    path: `${upload}/missing`,
    operationId: 'readMissing',
    summary:
      'The files that are still missing; 409 `upload_incomplete` before the manifest was sent.',
    responses: { 200: missing },
    errors: [409],
  },
  {
    method: 'post',
    path: `${upload}/times`,
    operationId: 'offerTimes',
    summary: 'Sends modification times, as one sized record per page of the manifest.',
    query: timesOfferQuery,
    request: { bytes: [timesMediaType] },
    responses: { 204: { description: 'The times are stored.' } },
    errors: [409, 413],
  },
  {
    method: 'post',
    path: `${upload}/parts`,
    operationId: 'offerParts',
    summary: 'Sends the parts of large files; returns the missing ones.',
    request: { bytes: [partsMediaType] },
    responses: { 200: missing },
    errors: [409, 413],
  },
  {
    method: 'post',
    path: `${upload}/packs`,
    operationId: 'sendBlobs',
    summary: 'Sends missing blobs, deflated. Any number of requests may run concurrently.',
    request: { bytes: [packMediaType] },
    responses: { 200: json('The blobs are stored.', receivedSchema) },
    errors: [409, 413, 507],
  },
  {
    method: 'post',
    path: `${upload}/commit`,
    operationId: 'commitUpload',
    summary:
      'Commits the artifact. The body is the offer again; 409 `upload_incomplete` if blobs are missing.',
    request: { json: offerSchema },
    responses: {
      200: json(
        'The same job had already uploaded the same tree under this name.',
        commitAnswerSchema,
      ),
      201: json('The new artifact.', commitAnswerSchema),
    },
    errors: [409, 413, 507],
  },
  {
    method: 'delete',
    path: upload,
    operationId: 'abortUpload',
    summary: 'Aborts an upload and releases what it sent.',
    responses: { 204: { description: 'The upload is aborted.' } },
    errors: [409],
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/tree`,
    operationId: 'readTree',
    readsPublic: true,
    summary:
      'All entries in compact form: canonical text and times, by pages. With a base, only the differences from it.',
    query: treeQuery,
    responses: { 200: bytes('The tree, or its changes.', manifestMediaType, changesMediaType) },
    errors: [410],
  },
  {
    method: 'post',
    path: blobPartsPath,
    operationId: 'listParts',
    readsPublic: true,
    summary: 'Digests and sizes of the parts of large files of an artifact.',
    query: artifactFetchQuery,
    request: { bytes: [wantsMediaType] },
    responses: { 200: bytes('The parts.', partsMediaType) },
    errors: [410, 413],
  },
  {
    method: 'post',
    path: blobFetchPath,
    operationId: 'fetchBlobs',
    readsPublic: true,
    summary:
      'Stored streams of entries or parts of an artifact, some thousand at a time in the order in which they are stored.',
    query: artifactFetchQuery,
    request: { bytes: [wantsMediaType] },
    responses: { 200: bytes('The streams.', packMediaType) },
    errors: [410, 413],
  },
]
