/** `PUT /projects/{o}/{r}/runs/{run}/artifacts/{name}`: a whole upload in one request. Tars and
 *  single files are streamed into ingest; a zip is staged first, because its directory is at its
 *  end. */
import { randomBytes } from 'node:crypto'
import type { Hono } from 'hono'
import type * as z from 'zod'
import { apiRoot } from '../../api/paths.ts'
import { uploadQuery } from '../../api/queries.ts'
import type { Principal } from '../../auth/principal.ts'
import { parseEntryPath } from '../../core/manifest/entry.ts'
import { invalidRequest } from '../../core/errors.ts'
import { isZipType } from '../../core/media-type.ts'
import { expiresAtOf } from '../../core/policy/retention.ts'
import { completeFacts } from '../../core/run/run.ts'
import type { IngestJob, UploadForm } from '../../ingest/job.ts'
import type { Published } from '../../metadata/metadata.ts'
import { artifactMessage } from '../artifact/artifact-message.ts'
import { actorOf } from '../access/actor.ts'
import { requirePrincipal } from '../access/authenticate.ts'
import { publicOrigin, type AppContext, type AppEnv, type AppRequest } from '../context.ts'
import { numberParameter, parseQuery, projectParameter } from '../input.ts'
import { retentionOf } from '../artifact/retention.ts'
import {
  type BodyLimit,
  contentLength,
  openRequestBody,
  uploadLimit,
} from '../body/request-body.ts'
import { replacementBy } from '../access/strict.ts'
import { requireChance } from './quota.ts'
import { uploadDestination, type UploadDestination } from './upload-destination.ts'

type UploadQuery = z.infer<typeof uploadQuery>

export function addPutArtifactRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.put(`${apiRoot}/projects/:owner/:repo/runs/:run/artifacts/:name`, async (c) => {
    const principal = await requirePrincipal(context, c)
    const query = parseQuery(c, uploadQuery)
    const destination = uploadDestination(principal, {
      project: projectParameter(c),
      run: numberParameter(c, 'run'),
      name: c.req.param('name') ?? '',
      ...query,
    })
    const limit = bodyLimit(context, c, query)
    const job = await ingestJob(context, c, { query, destination, principal })
    const uploading = { job, run: destination.number, limit }
    const { artifact, created } = await ingest(context, c, uploading)
    await context.backgroundJobs.confirm()
    const origin = publicOrigin(context, c)
    // Not the detail: it counts what only this artifact holds, a second for 50,000 files.
    const message = artifactMessage(artifact, { origin, now: context.now() })
    return c.json(message, created ? 201 : 200, { location: message.links.self })
  })
}

async function ingestJob(
  context: AppContext,
  c: AppRequest,
  {
    query,
    destination,
    principal,
  }: { query: UploadQuery; destination: UploadDestination; principal: Principal },
): Promise<IngestJob> {
  const now = context.now()
  const days = query.retentionDays
  rejectWrappedBody(c)
  const { form, mimeType } = formOf(c)
  const fileName = query.filename ?? destination.name
  if (form === 'file') parseEntryPath(fileName)
  const { project, number, attempt } = destination
  const retention = await retentionOf(context, project)
  const from = context.clock.retentionFrom()
  const expiresAt = expiresAtOf(days === undefined ? null : { days }, retention, from)
  const facts = completeFacts(principal.facts, query)
  const onConflict = query.overwrite ? await replacementBy(context, principal) : 'same'
  // What the files of an archive take is not known before it is read: it can be less.
  const addedBytes = form === 'file' ? (contentLength(c) ?? 0) : 0
  await requireChance(context, { ...destination, onConflict }, addedBytes)
  const run = await context.metadata.ensureRun({ project, number, attempt }, facts, now)
  return {
    form,
    projectId: run.projectId,
    runId: run.id,
    job: destination.job,
    name: destination.name,
    mimeType,
    fileName,
    createdAt: now,
    expiresAt,
    onConflict,
    by: actorOf(principal, 'api'),
    uploadId: null,
    expected: null,
    staged: null,
  }
}

/** An empty body is hardly ever meant: curl sends one for a pipe whose program failed and for
 *  `-X PUT` without a file. An empty file is accepted if its length and its name are given. */
function bodyLimit({ config }: AppContext, c: AppRequest, { filename }: UploadQuery): BodyLimit {
  const limit = uploadLimit(config)
  const isMeant = contentLength(c) === 0 && filename !== undefined
  // An empty archive is rejected as an archive.
  if (isMeant || formOf(c).form !== 'file') return limit
  const reason =
    'the body is empty; to upload an empty file, send Content-Length: 0 and name it with ?filename'
  return { ...limit, emptyError: () => invalidRequest('body', reason) }
}

/** Rejects bodies that wrap or are only part of the file, which would otherwise be stored as
 *  they are. Errors: invalid_request. */
function rejectWrappedBody(c: AppRequest): void {
  if (c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data') === true)
    throw invalidRequest(
      'content-type',
      'the body must be the file itself, not a form: use curl -T FILE instead of -F',
    )
  const coding = c.req.header('content-encoding')
  if (coding !== undefined && coding.toLowerCase() !== 'identity')
    throw invalidRequest(
      'content-encoding',
      `Content-Encoding ${coding} is not supported: send the file unencoded`,
    )
  // RFC 9110 §14.5: `curl -C` sends the rest of a file this way.
  if (c.req.header('content-range') !== undefined)
    throw invalidRequest('content-range', 'an upload cannot be resumed: send the whole file')
}

const tarForms = new Map<string, UploadForm>([
  ['application/x-tar', 'tar'],
  ['application/gzip', 'tar.gz'],
  ['application/x-gzip', 'tar.gz'],
  ['application/x-gtar', 'tar.gz'],
])

function formOf(c: AppRequest): { form: UploadForm; mimeType: string | null } {
  const contentType = c.req.header('content-type') ?? null
  const essence = contentType?.split(';')[0]?.trim().toLowerCase() ?? ''
  // `curl --data-binary` sends this type with every body, so it says nothing.
  const isUndeclared = essence === 'application/x-www-form-urlencoded'
  const form = isZipType(essence) ? 'zip' : (tarForms.get(essence) ?? 'file')
  return { form, mimeType: isUndeclared ? null : contentType }
}

async function ingest(
  context: AppContext,
  c: AppRequest,
  { job, run, limit }: { job: IngestJob; run: number; limit: BodyLimit },
): Promise<Published> {
  const key = randomBytes(16).toString('hex')
  const { projectId, name } = job
  context.arrivals.begin(key, { projectId, run, name, totalBytes: contentLength(c) })
  try {
    return await ingestBody(context, c, { job, key, limit })
  } finally {
    context.arrivals.end(key)
  }
}

async function ingestBody(
  context: AppContext,
  c: AppRequest,
  { job, key, limit }: { job: IngestJob; key: string; limit: BodyLimit },
): Promise<Published> {
  const body = openRequestBody(context.arrivals.counting(key, context), c, limit)
  if (job.form !== 'zip') return await context.ingest.run(job, body, c.req.raw.signal)
  await context.staging.openUpload(key)
  try {
    const { digest } = await context.staging.writeWhole(key, body)
    const staged = await context.staging.readAssembled(key, digest)
    return await context.ingest.run({ ...job, staged }, undefined, c.req.raw.signal)
  } finally {
    await context.staging.removeUpload(key)
  }
}
