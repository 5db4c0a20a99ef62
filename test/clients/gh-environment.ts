/** What gh needs to read a store. It reads runs and artifacts of a GitHub Enterprise host only over
 *  HTTPS at port 443; a proxy forwards it from there to a server behind TLS. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startForwardingProxy, startTls } from '../client/forwarding-proxy.ts'
import { storeCertificate } from '../client/store-certificate.ts'
import type { Store } from './store.ts'

/** The environment of a gh that takes `store` for the host `store.test`. `home` is a directory for
 *  its files. */
export async function ghEnvironment(
  store: Store,
  home: string,
): Promise<Record<string, string | undefined>> {
  const tls = await startTls(store.url)
  const proxy = await startForwardingProxy({ hosts: { 'store.test': tls.url } })
  const certificate = join(home, 'store.pem')
  await writeFile(certificate, storeCertificate)
  return {
    PATH: process.env['PATH'],
    HOME: home,
    HTTPS_PROXY: proxy.url,
    SSL_CERT_FILE: certificate,
    GH_HOST: 'store.test',
    GH_REPO: 'store.test/octo/demo',
    GH_ENTERPRISE_TOKEN: await store.token({ run: undefined, job: undefined, scope: 'read' }),
  }
}
