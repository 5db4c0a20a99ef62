/** An answer that no Trove server gives, or none of this version: of a proxy, a sign-in page. To ask again is of no use. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
  /** Of HTTP, where that is what no Trove server would answer with. */
  readonly status: number | undefined
  constructor(message: string, status?: number) {
    super(message)
    this.status = status
  }
}

/** No usable answer after every permitted try. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
