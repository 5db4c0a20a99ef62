/** Routes of the negotiated upload and the delta download, as data (negotiation.ts says what their bodies are). */
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
} from './negotiation-messages.ts'
import { apiRoot } from './paths.ts'
import { type ApiRoute, bytes, json } from './route.ts'

const upload = `${apiRoot}/uploads/{uploadId}`
const missing = bytes('Ordinals of what is missing.', ordinalsMediaType)

export const transferRoutes: readonly ApiRoute[] = [
  {
    method: 'post',
    path: `${apiRoot}/uploads`,
    operationId: 'offerTree',
    summary:
      'Begins a negotiated upload, or goes on with one. A tree that the project knows is done at once.',
    request: { json: offerSchema },
    responses: { 200: json('The artifact, or the upload to go on with.', offerAnswerSchema) },
    errors: [409, 413, 507],
  },
  {
    method: 'post',
    path: `${upload}/manifest`,
    operationId: 'offerManifest',
    summary:
      'Takes the canonical manifest, or with `base` what is different from that tree, gzipped or (`Content-Encoding: br`) by Brotli; answers the files that are missing, among the entries sent.',
    query: manifestOfferQuery,
    request: { bytes: [manifestMediaType, changesMediaType] },
    responses: { 200: missing },
    errors: [404, 409, 413, 422],
  },
  {
    method: 'get',
    path: `${upload}/missing`,
    operationId: 'readMissing',
    summary: 'The files that are missing now; 409 `upload_incomplete` before the manifest.',
    responses: { 200: missing },
    errors: [409],
  },
  {
    method: 'post',
    path: `${upload}/times`,
    operationId: 'offerTimes',
    summary: 'Takes modification times, a sized record for each page of the manifest.',
    query: timesOfferQuery,
    request: { bytes: [timesMediaType] },
    responses: { 204: { description: 'They are kept.' } },
    errors: [409, 413],
  },
  {
    method: 'post',
    path: `${upload}/parts`,
    operationId: 'offerParts',
    summary: 'Takes the parts of large files; answers those that are missing.',
    request: { bytes: [partsMediaType] },
    responses: { 200: missing },
    errors: [409, 413],
  },
  {
    method: 'post',
    path: `${upload}/packs`,
    operationId: 'sendBlobs',
    summary: 'Takes missing blobs, deflated. Any number of requests may run at once.',
    request: { bytes: [packMediaType] },
    responses: { 200: json('They are kept.', receivedSchema) },
    errors: [409, 413, 507],
  },
  {
    method: 'post',
    path: `${upload}/commit`,
    operationId: 'commitUpload',
    summary:
      'Makes the artifact. The body is the offer again; 409 `upload_incomplete` when blobs are missing.',
    request: { json: offerSchema },
    responses: {
      200: json('The same job had sent the same tree under this name before.', commitAnswerSchema),
      201: json('The new artifact.', commitAnswerSchema),
    },
    errors: [409, 413, 507],
  },
  {
    method: 'delete',
    path: upload,
    operationId: 'abortUpload',
    summary: 'Gives an upload up; what it sent is let go.',
    responses: { 204: { description: 'It is over.' } },
    errors: [409],
  },
  {
    method: 'get',
    path: `${apiRoot}/artifacts/{id}/tree`,
    operationId: 'readTree',
    summary:
      'All entries in their compact form: canonical text and times, a page each. With a base, only what is different from it.',
    query: treeQuery,
    responses: { 200: bytes('The tree, or its changes.', manifestMediaType, changesMediaType) },
    errors: [410],
  },
  {
    method: 'post',
    path: `${apiRoot}/blobs/parts`,
    operationId: 'listParts',
    summary: 'Digests and sizes of the parts of large files of an artifact.',
    query: artifactFetchQuery,
    request: { bytes: [wantsMediaType] },
    responses: { 200: bytes('The parts.', partsMediaType) },
    errors: [410, 413],
  },
  {
    method: 'post',
    path: `${apiRoot}/blobs/fetch`,
    operationId: 'fetchBlobs',
    summary:
      'Stored streams of entries or parts of an artifact, in the order in which they are stored.',
    query: artifactFetchQuery,
    request: { bytes: [wantsMediaType] },
    responses: { 200: bytes('The streams.', packMediaType) },
    errors: [410, 413],
  },
]
