/** Recognizes a server that expects TLS and got plain HTTP. Some close the connection, others
 *  respond with status 400. */
import { connect } from 'node:tls'
import { hostOf, portOf } from '../../core/http-proxy.ts'

export const tlsHint = 'what listens there speaks TLS; a server with it has an https:// URL'

/** It is only tried after the server has closed a connection, so the server is there. */
const handshakeMsMax = 2000

/** Tries a TLS handshake with the server of an `http` URL. Whom its certificate names does not
 *  matter: nothing is sent. */
export async function speaksTls(url: URL): Promise<boolean> {
  const address = { host: hostOf(url), port: portOf(url) }
  const socket = connect({ ...address, rejectUnauthorized: false })
  try {
    return await new Promise((resolve) => {
      socket.setTimeout(handshakeMsMax, () => resolve(false))
      socket.once('secureConnect', () => resolve(true))
      socket.once('error', () => resolve(false))
      socket.once('close', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}

/** Whether the text of a status 400 complains of missing TLS: the words of nginx, Go (Caddy,
 *  Traefik) and Apache. */
export function wantsTls(text: string): boolean {
  return /plain HTTP request was sent to HTTPS port|HTTP request to an HTTPS server|speaking plain HTTP to an SSL/.test(
    text,
  )
}
