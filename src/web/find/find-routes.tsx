/** Finding a file by its digest. */
import type { Principal } from '../../auth/principal.ts'
import { findHolders, type Holder } from '../../browse/holders.ts'
import { type Digest, parseWireDigest } from '../../core/bytes/digest.ts'
import { searchedProjects } from '../../http/artifact/digests.ts'
import { requireReader } from '../../http/access/authenticate.ts'
import type { AppContext, AppRequest } from '../../http/context.ts'
import { FindPage } from './find-page.tsx'
import { sendPage, type Web } from '../page.tsx'

const holdersMax = 100

export async function findPage(web: Web, c: AppRequest): Promise<Response> {
  const { context } = web
  const principal = await requireReader(context, c)
  const text = (c.req.query('digest') ?? '').trim()
  const hex = text.toLowerCase().replace(/^sha256:/, '')
  const digest = parseWireDigest(`sha256:${hex}`)
  const holders = digest === undefined ? [] : await readableHolders(context, principal, digest)
  const view = {
    text,
    digest,
    holders,
    isCut: holders.length === holdersMax,
    hashWorker: web.assets.pathOf('hash-worker'),
    now: context.now(),
  }
  return await sendPage(web, c, {
    title: 'Find a file',
    scripts: ['find-page'],
    body: <FindPage {...view} />,
  })
}

/** Searches only artifacts that the visitor can read; a hit elsewhere would reveal that others
 *  have the file. */
async function readableHolders(
  context: AppContext,
  principal: Principal,
  digest: Digest,
): Promise<Holder[]> {
  return await findHolders(context.metadata, digest, {
    projectIds: await searchedProjects(context, principal, undefined),
    now: context.now(),
    limit: holdersMax,
  })
}
