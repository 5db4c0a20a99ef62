/** An answer that no Trove server gives, or none of this version: of a proxy, a sign-in page. To ask again is of no use. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
}

/** No usable answer after every permitted try. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
