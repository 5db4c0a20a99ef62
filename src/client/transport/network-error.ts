/** No usable answer after every permitted try. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
