/** The part of Azure's block blob protocol that clients of the artifact service use
 *  (GITHUB-PROTOCOL §8). The signed URL is the credential. Success is exactly 201. */
import type { Hono } from 'hono'
import { verifyTarget } from '../../auth/signed-urls.ts'
import { invalidRequest, notFound, storeError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { AppContext, AppEnv, AppRequest } from '../../http/context.ts'
import {
  openRequestBody,
  readBytesBody,
  uploadLimit,
  type BodyLimit,
} from '../../http/body/request-body.ts'
import type { Upload } from '../../metadata/metadata.ts'
import { parseBlockList } from './block-list.ts'

export function addBlobRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.put('/blob/artifacts/:id', async (c) => {
    const upload = await openUpload(context, c)
    const operation = c.req.query('comp')
    if (operation === 'block') await putBlock(context, c, upload)
    else if (operation === 'blocklist') await putBlockList(context, c, upload)
    else if (operation === undefined) await putBlob(context, c, upload)
    else throw invalid('comp', `${JSON.stringify(operation)} is not supported`)
    return new Response(null, { status: 201, headers: { 'x-ms-request-id': c.get('requestId') } })
  })

  app.all('/blob/*', () => {
    throw notFound('route', 'uploads must be PUT to the URL that CreateArtifact returned')
  })
}

/** Errors: signed_url_invalid, not_found. */
async function openUpload(context: AppContext, c: AppRequest): Promise<Upload> {
  const id = c.req.param('id') ?? ''
  const signature = { se: c.req.query('se'), sig: c.req.query('sig') }
  const target = { access: 'write', route: 'upload', id } as const
  verifyTarget(context.keys.signedUrls, target, signature, context.now())
  const upload = await context.metadata.findUpload(id)
  if (upload !== undefined) return upload
  throw notFound(
    'upload',
    `upload ${id} has ended: another upload took its name, or it was idle for too long`,
  )
}

async function putBlock(context: AppContext, c: AppRequest, upload: Upload): Promise<void> {
  const blockId = c.req.query('blockid') ?? ''
  if (blockId === '' || blockId.length > 128)
    throw invalid('blockid', 'must have 1 to 128 characters')
  // GITHUB-PROTOCOL §8.6: a late retry succeeds and changes nothing; its body is drained with the
  // response.
  if (upload.state !== 'open') return
  await context.staging.writeBlock(
    upload.id,
    blockId,
    openRequestBody(context.arrivals.counting(upload.id, context), c, blockLimit(context)),
  )
}

async function putBlockList(context: AppContext, c: AppRequest, upload: Upload): Promise<void> {
  const xml = (await readBytesBody(context, c, blockListLimit)).toString('utf8')
  const blockIds = await parseBlockList(xml)
  const contentType = c.req.header('x-ms-blob-content-type') ?? null
  if (upload.state === 'done') {
    const digest = await context.staging.listDigest(blockIds)
    if (digest !== upload.blockListDigest) throw conflict(upload)
    return
  }
  const list = await context.staging.assemble(upload.id, blockIds)
  await context.metadata.assembleUpload(upload.id, { ...list, contentType })
  await context.checkpoint?.('list-accepted')
}

/** A whole blob in one request; docker's build records are sent this way (GITHUB-PROTOCOL §8.4). */
async function putBlob(context: AppContext, c: AppRequest, upload: Upload): Promise<void> {
  if (c.req.header('x-ms-blob-type') !== 'BlockBlob')
    throw invalid('x-ms-blob-type', 'must be BlockBlob')
  if (upload.state === 'done') return
  const contentType = c.req.header('x-ms-blob-content-type') ?? null
  const counting = context.arrivals.counting(upload.id, context)
  const body = openRequestBody(counting, c, blockLimit(context))
  const whole = await context.staging.writeWhole(upload.id, body)
  await context.metadata.assembleUpload(upload.id, { ...whole, contentType })
  await context.checkpoint?.('list-accepted')
}

const blockListLimit: BodyLimit = {
  bytesMax: limits.blockListBytesMax,
  limit: 'bytes of a block list',
  setting: null,
}

function blockLimit({ config }: AppContext): BodyLimit {
  return config.artifactBytesMax < limits.blockBytesMax
    ? uploadLimit(config)
    : { bytesMax: limits.blockBytesMax, limit: 'bytes of a block', setting: null }
}

function conflict(upload: Upload): Error {
  return storeError(
    'block_list_conflict',
    `the content of ${upload.name} was already fixed by another block list`,
    {
      uploadId: upload.id,
    },
  )
}

function invalid(field: string, reason: string): Error {
  return invalidRequest(field, `${field}: ${reason}`)
}
