/** Routes for operating the server: liveness, readiness, metrics. */
import type { Hono } from 'hono'
import { requireBearer } from '../access/authenticate.ts'
import {
  type AppContext,
  type AppEnv,
  type AppRequest,
  incomingOf,
  isForwarded,
} from '../context.ts'

export function addOperationRoutes(app: Hono<AppEnv>, context: AppContext): void {
  app.get('/healthz', (c) => c.text('ok\n'))

  /** Ready while the database responds, the disk accepts writes, and no stop has begun. */
  app.get('/readyz', async (c) => {
    if (context.stopping.aborted) return c.text('stopping\n', 503)
    await context.metadata.listSessions(0, 1)
    const fault = await context.writeProbe.check()
    return fault === null ? c.text('ready\n') : c.text(`${fault}\n`, 503)
  })

  app.get('/metrics', async (c) => {
    if (!isLoopback(c)) await requireBearer(context, c)
    const text = context.metrics.render({
      figures: await context.metadata.figures(),
      disk: await context.space.measure(),
      isWritable: (await context.writeProbe.check()) === null,
      metadataLagMs: context.backgroundJobs.snapshots?.lagMs() ?? 0,
      jobs: context.maintenance.jobs.tallies(),
    })
    return c.text(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
  })
}

/** Whether the request comes directly from this machine. A local proxy, which forwards requests
 *  of others, either sends a forwarding header or passes on the host that they asked for. */
function isLoopback(c: AppRequest): boolean {
  const address = incomingOf(c)?.socket.remoteAddress ?? ''
  const loopbackHost = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i
  return (
    !isForwarded(c) &&
    loopbackHost.test(c.req.header('host') ?? '') &&
    /^(?:::1|(?:::ffff:)?127\.\d+\.\d+\.\d+)$/.test(address)
  )
}
