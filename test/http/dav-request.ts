/** Asks a server by WebDAV, and takes its responses apart. */
import { expect } from 'vitest'
import { readXml } from '../../src/core/xml.ts'
import type { SendRequest, TestServer } from './open-server.ts'

/** One `response` element. */
export interface Listed {
  href: string
  /** Properties by local name; an element without text has its child's tag. */
  found: Record<string, string>
  missing: string[]
}

export async function askDav(
  server: TestServer,
  path: string,
  { depth = '1', ...request }: SendRequest & { depth?: string } = {},
): Promise<Response> {
  const headers = { depth, ...request.headers }
  return await server.send(path, { method: 'PROPFIND', ...request, headers })
}

/** The same of a folder or file that must be there. */
export async function listDav(
  server: TestServer,
  path: string,
  request: Parameters<typeof askDav>[2] = {},
): Promise<Listed[]> {
  const response = await askDav(server, path, request)
  const text = await response.text()
  expect([path, response.status, text]).toEqual([path, 207, text])
  expect(response.headers.get('content-type')).toBe('application/xml; charset=utf-8')
  return responsesOf(text)
}

/** The properties of what must be there. */
export async function propertiesOf(
  server: TestServer,
  path: string,
): Promise<Record<string, string>> {
  const [itself] = await listDav(server, path, { depth: '0' })
  return itself!.found
}

/** Names of the children that a folder lists; those of folders end in a slash. */
export async function namesIn(
  server: TestServer,
  path: string,
  request: Parameters<typeof askDav>[2] = {},
): Promise<string[]> {
  const [itself, ...children] = await listDav(server, path, request)
  return children.map(({ href }) => {
    expect(href.startsWith(itself!.href)).toBe(true)
    return decodeURIComponent(href.slice(itself!.href.length))
  })
}

/** XML 1.0 §2.2. */
const onlyCharacters = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u

function responsesOf(text: string): Listed[] {
  expect(text).toMatch(onlyCharacters)
  const listed: Listed[] = []
  const open: string[] = []
  let properties: Record<string, string> = {}
  let status = ''
  const events = readXml(text)
  let next = events.next()
  for (; next.done !== true; next = events.next()) {
    const event = next.value
    const current = listed.at(-1)
    const name = open[4]?.replace(/^.*:/, '')
    if (event.kind === 'open') {
      if (open.push(event.name) === 2) listed.push({ href: '', found: {}, missing: [] })
      if (open.length === 5) properties[event.name.replace(/^.*:/, '')] = ''
      if (open.length === 6) properties[name!] += `<${event.name}>`
    } else if (event.kind === 'text') {
      if (open[2] === 'D:href' && open.length === 3) current!.href += event.text
      if (open[3] === 'D:status') status += event.text
      if (open.length === 5) properties[name!] += event.text
    } else {
      expect(open.pop()).toBe(event.name)
      if (event.name !== 'D:propstat') continue
      if (status.includes('200')) current!.found = properties
      else current!.missing = Object.keys(properties)
      ;[properties, status] = [{}, '']
    }
  }
  expect([next.value, open]).toEqual([true, []])
  return listed
}
