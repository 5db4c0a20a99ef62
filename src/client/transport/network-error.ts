/** A response that no Trove server sends, or none of this version: from a proxy, a sign-in page. Or
 *  the server cannot be trusted, or does not speak the protocol of its URL. Retrying is
 *  pointless. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
  /** The HTTP status, when it is what no Trove server would send. */
  readonly status: number | undefined
  constructor(message: string, { status, cause }: { status?: number; cause?: unknown } = {}) {
    super(message, { cause })
    this.status = status
  }
}

/** No usable response after every permitted attempt. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
