/** Why a server did not answer as Trove does. */

/** No usable response after every permitted attempt. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}

/** A NetworkError on a connection through a proxy. */
export class ProxiedNetworkError extends NetworkError {}

/** A response that no Trove server sends, or none of this version: from a proxy, a sign-in page. Or
 *  the server cannot be trusted, or does not speak the protocol of its URL. Retrying is
 *  pointless. */
export class AnswerError extends Error {
  override readonly name: string = 'AnswerError'
  /** The HTTP status, when it is what no Trove server would send. */
  readonly status: number | undefined
  constructor(message: string, { status, cause }: { status?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.status = status
  }
}

/** A proxy refused the request, or responded in place of the server, or TLS fails for good on the
 *  way through it. */
export class ProxyRefusal extends AnswerError {
  override readonly name = 'ProxyRefusal'
}
