/** The native API's routes as data: what `/openapi.json` is made of. A test checks that the server has each, and no other. */
import { adminRoutes } from './admin-routes.ts'
import { artifactRoutes } from './artifact-routes.ts'
import type { ApiRoute } from './route.ts'
import { runRoutes } from './run-routes.ts'
import { transferRoutes } from './transfer-routes.ts'

export const apiRoutes: readonly ApiRoute[] = [
  ...artifactRoutes,
  ...runRoutes,
  ...transferRoutes,
  ...adminRoutes,
]
