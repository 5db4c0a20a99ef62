/** `/trove.tgz`: the client commands as an npm package without dependencies
 *  (`client/bundle.mjs`). With it `npx SERVER/trove.tgz upload …` works wherever Node is
 *  installed, with a client of the server's own version. Open to all: it contains the program
 *  and nothing about stored data. */
import type { Hono } from 'hono'
import { readFile } from 'node:fs/promises'
import { digestOf } from '../../core/bytes/digest.ts'
import { builtRoot } from '../../program-files.ts'
import { isUnmodified } from '../body/send-representation.ts'
import type { AppEnv } from '../context.ts'

interface ClientPackage {
  bytes: Uint8Array<ArrayBuffer>
  etag: string
}

export function addClientPackageRoutes(
  app: Hono<AppEnv>,
  file: URL = new URL('../client.tgz', builtRoot),
): void {
  // Not a promise, so that a failure to read does not stay.
  let read: ClientPackage | undefined
  app.get('/trove.tgz', async (c) => {
    read ??= await readPackage(file)
    const { bytes, etag } = read
    c.header('etag', etag)
    c.header('cache-control', 'no-cache')
    if (isUnmodified(c, etag)) return c.body(null, 304)
    c.header('content-type', 'application/gzip')
    return c.body(bytes)
  })
}

async function readPackage(file: URL): Promise<ClientPackage> {
  const bytes = new Uint8Array(await readFile(file))
  return { bytes, etag: `"${digestOf(bytes)}"` }
}
