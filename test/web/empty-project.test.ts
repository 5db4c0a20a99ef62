/** A project whose artifacts are gone. */
import { expect, test } from 'vitest'
import { openSharedServer } from '../http/open-server.ts'

const project = 'octo/emptied'
const server = await openSharedServer()

test('a project whose artifacts were deleted is shown as empty, with what can be done about it', async () => {
  const open = async (path: string, scope: 'read' | 'write' = 'write'): Promise<string> =>
    await server.page(path, { project, scope })
  const isEmpty = async (): Promise<boolean[]> => [
    (await open('/')).includes('<span class="badge">empty</span>'),
    (await open(`/${project}`)).includes('This project holds no artifacts'),
  ]
  const token = await server.token({ project })
  await server.put(`/api/v1/projects/${project}/runs/1/artifacts/a`, { token })
  expect(await isEmpty()).toEqual([false, false])
  await server.send(`/api/v1/runs/1?project=${project}`, { method: 'DELETE', token })
  expect(await isEmpty()).toEqual([true, true])
  const page = await open(`/${project}`)
  for (const action of ['artifacts?state=deleted', 'settings/tokens?revoke=all']) {
    expect(page).toContain(`<a href="/${project}/${action}">`)
    expect(await open(`/${project}/${action}`)).toContain('<h1>')
  }
  expect(await open(`/${project}`, 'read')).not.toContain('revoke=all')
})
