/** The negotiated upload and the delta download, as both sides implement them (API §2
 *  `/uploads`, `/blobs`). JSON messages are in negotiation-messages.ts. Other bodies are binary
 *  (core/bytes/blob-exchange.ts), because a manifest may have hundreds of thousands of entries
 *  and a re-upload should cost kilobytes.
 *
 *  Upload:
 *    0. POST /uploads/check
 *       JSON: destination and name. 204, or the refusal that step 1 would be, for clients that have
 *       much to hash before that.
 *    1. POST /uploads
 *       JSON: destination, name, tree digest, times digest. If the project has both the tree and
 *       its times, returns the artifact, and the upload is done.
 *    2. POST /uploads/{id}/manifest
 *       The manifest's canonical text (core/manifest/manifest.ts), compressed by gzip or, with
 *       `Content-Encoding: br`, by Brotli. Returns the missing files, as ordinals of entries.
 *       With `base=`, a tree that the project has: the changes from that tree to this one
 *       (core/manifest/manifest-changes.ts). The ordinals are then those of the entries sent. 404
 *       when the project has no such tree.
 *       POST /uploads/{id}/times
 *       Modification times, by pages. Required unless the project has them.
 *    3. POST /uploads/{id}/parts
 *       The parts of missing files of at least `limits.chunkThresholdBytes`. Returns the missing
 *       parts, as ordinals of the parts sent.
 *    4. POST /uploads/{id}/packs
 *       Records of missing blobs, deflated; any number of requests at once.
 *    5. POST /uploads/{id}/commit
 *       The offer again. Returns the artifact, or 409 `upload_incomplete`.
 *       GET /uploads/{id}/missing
 *       Returns the response of step 2, as of now.
 *
 *  Every step can be repeated. The same job offering the same tree under the same name finds its
 *  open session again. "Missing" is everything that the project cannot read yet and that this
 *  session has not sent (invariant 10).
 *
 *  Download:
 *    1. GET /artifacts/{id}/tree
 *       Canonical text and times, by pages. With `base=`, an artifact whose tree the client has:
 *       the differences (core/manifest/manifest-changes.ts), then all times by pages.
 *    2. POST /blobs/parts?artifact=
 *       Digests and sizes of the parts of large files, by ordinals of entries.
 *    3. POST /blobs/fetch?artifact=
 *       Stored streams of entries or parts, in the order in which they are stored.
 *  An entry without parts is its own part 0. Requested parts that do not exist are left out, so
 *  a client can request ranges of parts one after the other from a file that has more parts than
 *  fit into one request. */
export const manifestMediaType = 'application/x-trove-manifest'
export const changesMediaType = 'application/x-trove-manifest-changes'
export const timesMediaType = 'application/x-trove-times'
export const partsMediaType = 'application/x-trove-parts'
export const packMediaType = 'application/x-trove-blobs'
export const ordinalsMediaType = 'application/x-trove-ordinals'
export const wantsMediaType = 'application/x-trove-wants'
