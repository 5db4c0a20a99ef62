/** Fetches a page of ours. The browser parses it into a document of its own, so no script in it
 *  runs, and no code here turns text into markup. Null if the response is not a page, or the
 *  server cannot be reached. */
export function fetchDocument(address: string): Promise<Document | null> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    request.open('GET', address)
    request.responseType = 'document'
    request.addEventListener('loadend', () => {
      resolve(request.status === 200 ? request.responseXML : null)
    })
    request.send()
  })
}
