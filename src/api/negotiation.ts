/** The negotiated upload and the delta download, as both sides speak them (API §2 `/uploads`, `/blobs`). JSON messages
 *  are in negotiation-messages.ts; other bodies are binary (core/blob-exchange.ts), because a manifest may have hundreds
 *  of thousands of entries and a re-upload should cost kilobytes.
 *
 *  Upload:
 *    1. POST /uploads                    JSON: who, name, tree digest, times digest. Known in this project: the artifact, done.
 *    2. POST /uploads/{id}/manifest      the manifest's canonical text (core/manifest.ts), gzipped or, with
 *                                        `Content-Encoding: br`, by Brotli.
 *                                        Answer: which files are missing, as ordinals of entries. With `base=` a tree that
 *                                        the project has: the changes that make the other of it (core/manifest-changes.ts);
 *                                        ordinals are then those of the entries sent. 404 when it has no such tree.
 *       POST /uploads/{id}/times         modification times, a page each; wanted unless the project knows them.
 *    3. POST /uploads/{id}/parts         for missing files of at least `limits.chunkThresholdBytes`: their parts.
 *                                        Answer: which parts are missing, as ordinals of the parts sent.
 *    4. POST /uploads/{id}/packs         records of missing blobs, deflated; any number of requests at once.
 *    5. POST /uploads/{id}/commit        the offer again. Answer: the artifact; or 409 `upload_incomplete`.
 *       GET  /uploads/{id}/missing       what step 2 answers, as it is now.
 *
 *  Every step can be repeated. The same job offering the same tree under the same name finds its open session again.
 *  "Missing" is everything that the project cannot read yet and that this session has not sent (invariant 10).
 *
 *  Download:
 *    1. GET  /artifacts/{id}/tree        canonical text and times, a page each. With `base=` an artifact whose tree is at
 *                                        hand: what is different (core/manifest-changes.ts), and all times, a page each.
 *    2. POST /blobs/parts?artifact=      digests and sizes of the parts of large files, by ordinals of entries.
 *    3. POST /blobs/fetch?artifact=      stored streams of entries or parts, in the order in which they are stored.
 *  Of an entry that has no parts the whole is part 0. Parts that are asked for and are not there are left out, so of a file
 *  with more parts than one request takes those of a range can be asked for, again and again. */
export const manifestMediaType = 'application/x-trove-manifest'
export const changesMediaType = 'application/x-trove-manifest-changes'
export const timesMediaType = 'application/x-trove-times'
export const partsMediaType = 'application/x-trove-parts'
export const packMediaType = 'application/x-trove-blobs'
export const ordinalsMediaType = 'application/x-trove-ordinals'
export const wantsMediaType = 'application/x-trove-wants'
