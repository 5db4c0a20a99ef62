/** A page of ours, parsed by the browser as a document of its own: nothing in it runs, and no text is turned into markup
 *  here. Null for what is no page, or when the server cannot be reached. */
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
